"""Arrays, tensors and data frames as raw values, float32 or float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.inputs.precision import RawRows, as_rows, row_dtype


def feature_values(features: Any) -> tuple[RawRows, list[str] | None]:
    """Return the values of an array, tensor or data frame, and the column names of a data frame.

    Parameters
    ----------
    features
        An array or tensor [N, D] or [N, M, D], or a data frame [N, D].

    Returns
    -------
    values
        float32 [N, D] or [N, M, D], or float64 if the stored values need it. Values outside the range of float32 become
        infinite.
    names
        Column names [D] of a data frame, else None.

    Raises
    ------
    DataError
        The features are text or complex numbers, or do not have two or three dimensions.
    """
    names = [str(name) for name in features.columns] if hasattr(features, "columns") else None
    if hasattr(features, "detach"):  # a torch tensor; torch itself is not imported here
        features = features.detach().cpu()
        features = (features.float() if str(features.dtype) == "torch.bfloat16" else features).numpy()
    try:
        with np.errstate(over="ignore"):
            if hasattr(features, "iloc"):  # a pandas frame, whose missing cells may be pandas.NA
                features = features.to_numpy(dtype=np.float64, na_value=np.nan)
            if np.iscomplexobj(features):
                raise DataError("features are complex numbers", expected="real numbers")
            stored = np.array(features)
            values = as_rows(stored, row_dtype(stored.dtype))
    except (TypeError, ValueError):
        raise DataError("features contain text", expected="numbers") from None
    if values.ndim not in (2, 3):
        raise DataError(f"features have {values.ndim} dimensions", expected="[N, D] or [N, M, D]")
    return values, names


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
