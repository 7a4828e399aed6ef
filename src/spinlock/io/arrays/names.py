"""Names and labels that are given with an array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError


def array_names(columns: int, frame_names: list[str] | None, feature_names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the given names, else those of the data frame, else feature_0, feature_1, ..."""
    names = [f"feature_{j}" for j in range(columns)] if frame_names is None else frame_names
    names = names if feature_names is None else [str(name) for name in feature_names]
    if len(names) != columns or len(set(names)) != len(names):
        raise DataError(
            f"{len(set(names))} distinct feature names for {columns} columns", expected="one for each column"
        )
    return tuple(names)


def check_labels(labels: Mapping[str, Any], operators: int) -> dict[str, NDArray[Any]]:
    """Convert labels to arrays, and raise a :class:`DataError` unless each has one value for each operator."""
    arrays = {name: np.asarray(values) for name, values in labels.items()}
    for name, values in arrays.items():
        if values.shape != (operators,):
            raise DataError(
                f"label {name!r} has shape {list(values.shape)}",
                expected=f"[{operators}], one value for each operator",
            )
    return arrays
