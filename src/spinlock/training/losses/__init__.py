"""Training losses: the weighted objective with its terms, and the topographic loss."""
