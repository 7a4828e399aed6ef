"""Features in memory: arrays, tensors, data frames and labeled arrays, and the names and labels given with them."""

from spinlock.io.arrays.labels import check_labels
from spinlock.io.arrays.named_columns import check_row_labels
from spinlock.io.arrays.names import array_names
from spinlock.io.arrays.values import feature_values, token_values

__all__ = ["array_names", "check_labels", "check_row_labels", "feature_values", "token_values"]
