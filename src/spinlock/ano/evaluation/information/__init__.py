"""Information about the parameters in features, decoded features, tokens and predictions, from one estimator."""
