"""Arrays, tensors and data frames as float32 values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError


def feature_values(features: Any) -> tuple[NDArray[np.float32], list[str] | None]:
    """Return the values of an array, tensor or data frame as float32, and the column names of a data frame.

    Parameters
    ----------
    features
        An array or tensor [N, D] or [N, M, D], or a data frame [N, D].

    Returns
    -------
    values
        float32 [N, D] or [N, M, D]. Values outside the range of float32 become infinite.
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
                features = features.to_numpy(dtype=np.float32, na_value=np.nan)
            if np.iscomplexobj(features):
                raise DataError("features are complex numbers", expected="real numbers")
            values = np.asarray(features).astype(np.float32)
    except (TypeError, ValueError):
        raise DataError("features contain text", expected="numbers") from None
    if values.ndim not in (2, 3):
        raise DataError(f"features have {values.ndim} dimensions", expected="[N, D] or [N, M, D]")
    return values, names
