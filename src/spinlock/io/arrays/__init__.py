"""Features in memory: arrays, tensors, data frames and labeled arrays, and the names and labels given with them."""

from spinlock.io.arrays.names import array_names, check_labels
from spinlock.io.arrays.values import feature_values

__all__ = ["array_names", "check_labels", "feature_values"]
