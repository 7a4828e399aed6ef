"""Conversion of NumPy arrays and scalars to tensors and numbers, which ``torch.load(weights_only=True)`` reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor


def to_tensors(value: Any) -> Any:
    """Convert NumPy arrays to tensors and NumPy scalars to numbers in nested dictionaries and lists."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.require(value, requirements=["C", "W"]))  # a 0-d array stays 0-d
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: to_tensors(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_tensors(item) for item in value]
    return value


def to_arrays(value: Any) -> Any:
    """Convert tensors to NumPy arrays in nested dictionaries and lists."""
    if isinstance(value, Tensor):
        return value.numpy()
    if isinstance(value, Mapping):
        return {key: to_arrays(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_arrays(item) for item in value]
    return value
