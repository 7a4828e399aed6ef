"""The network at epoch 0: closed form (principal axes, k-means, ridge regression), joint codes, interpolated rows."""
