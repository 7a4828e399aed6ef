"""Small files with virtual datasets and external storage, whose content is in files beside them; and refused files."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from spinlock.errors import DataError
from spinlock.io.features import open_features

TABLE = "features/sdf/aggregated/features"
X = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32)


def write_parts(folder: Path, count: int = 4) -> list[str]:
    """Write the rows of :data:`X` to ``part0.h5``, ``part1.h5``, ... and return these names."""
    names = [f"part{index}.h5" for index in range(count)]
    for name, rows in zip(names, np.split(X, count), strict=True):
        with h5py.File(folder / name, "w") as file:
            file["x"] = rows
    return names


def write_virtual(path: Path, sources: list[tuple[Any, Any]], shape: tuple[int, ...] = X.shape, **options: Any) -> Path:
    """Write a virtual table; ``sources`` are pairs of a selection and a virtual source, or a file name."""
    layout = h5py.VirtualLayout(shape, np.float32)
    for selection, source in sources:
        layout[selection] = h5py.VirtualSource(source, "x", (10, 6)) if isinstance(source, str) else source
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset(TABLE, layout, **options)
    return path


def virtual_table(folder: Path) -> Path:
    """Write :data:`X` as a virtual table of four parts."""
    names = write_parts(folder)
    return write_virtual(folder / "whole.h5", [(slice(10 * i, 10 * i + 10), name) for i, name in enumerate(names)])


def refusal(path: Path, **options: str) -> str:
    """Read the table of a file, which has to fail, and return the message: one line, with the file or one beside it."""
    with pytest.raises(DataError) as caught, open_features(path, **options) as source:
        source.read_all()
    assert "\n" not in str(caught.value)
    assert str(path.parent) in str(caught.value)
    return str(caught.value)
