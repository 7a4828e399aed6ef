"""The losses of training: the objective with its five terms, and the topographic term."""
