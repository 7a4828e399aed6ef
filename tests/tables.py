"""Small HDF5 feature tables for tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray


def write_table(
    path: Path,
    x: ArrayLike,
    names: Sequence[str | bytes] | None = None,
    family: str = "sdf",
    feature_type: str = "aggregated",
    labels: Mapping[str, Any] | None = None,
    names_as: str = "dataset",
    chunks: tuple[int, ...] | None = None,
    compression: str | None = None,
) -> Path:
    """Write ``x`` as /features/<family>/<feature_type>/features and return ``path``.

    ``names_as``: ``dataset`` or ``attribute`` of the group, ``table_attribute`` of the features. ``labels``:
    {name: [N]}.
    """
    with h5py.File(path, "w") as file:
        group = file.create_group(f"features/{family}/{feature_type}")
        table = group.create_dataset("features", data=x, chunks=chunks, compression=compression)
        if names is not None:
            kind = h5py.string_dtype() if all(isinstance(name, str) for name in names) else "S64"
            stored = np.array(list(names), dtype=kind)
            if names_as == "dataset":
                group.create_dataset("feature_names", data=stored)
            else:
                (group if names_as == "attribute" else table).attrs["feature_names"] = stored
        for name, values in (labels or {}).items():
            file.create_dataset(f"labels/{name}", data=values)
    return path


def low_rank_table(
    rng: np.random.Generator, rows: int, columns: int, rank: int, noise: float = 0.1
) -> NDArray[np.float32]:
    """x = U V + noise * E with Gaussian U [rows, rank], V [rank, columns], E; float32 [rows, columns]."""
    u = rng.standard_normal((rows, rank))
    v = rng.standard_normal((rank, columns))
    return (u @ v + noise * rng.standard_normal((rows, columns))).astype(np.float32)


@dataclass(frozen=True)
class Rules:
    """The cleaning thresholds at their production values, for ``Cleaner.fit``."""

    max_missing_fraction: float = 0.5
    max_constant_fraction: float = 0.995
    duplicate_correlation: float = 0.9999
    clip_lower_percentile: float = 0.1
    clip_upper_percentile: float = 99.9
    normalization_method: str = "standard"
