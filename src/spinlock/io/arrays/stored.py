"""An open ``h5py.Dataset`` as features: missing cells and names are read as those of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.attributes import texts
from spinlock.io.inputs.dataset import InputDataset
from spinlock.io.inputs.storage import Storage
from spinlock.io.names import FEATURE_NAMES


def is_stored(values: Any) -> bool:
    """Return whether an object is a dataset of an open HDF5 file."""
    return isinstance(values, h5py.Dataset)


def stored_values(dataset: Any) -> NDArray[Any]:
    """Read all values; cells that were never written or equal a fill attribute are NaN.

    Raises
    ------
    DataError
        The dataset reads other datasets, or cannot be read.
    """
    path, where = _place(dataset)
    with reading(path):
        if dataset.is_virtual or dataset.external:
            remedy = "pass the path of the file, which is checked, or the values, dataset[...]"
            raise DataError("features are an HDF5 dataset that reads other files", where=where, remedy=remedy)
        stored = InputDataset(dataset, Storage(dataset, where), where, lambda text: None)
        return stored[()] if dataset.shape == () else stored[:]


def stored_names(dataset: Any) -> list[str] | None:
    """Return ``feature_names`` of the dataset or of its group, or None if the file does not name the columns."""
    path, where = _place(dataset)
    with reading(path):
        group = dataset.parent
        beside = group.get(FEATURE_NAMES) if isinstance(group.get(FEATURE_NAMES, getlink=True), h5py.HardLink) else None
        if isinstance(beside, h5py.Dataset) and beside != dataset:
            values = np.ravel(np.asarray(beside[...])).tolist()
            return texts({FEATURE_NAMES: np.array(values, dtype=object)}, FEATURE_NAMES, where)
        for attributes in (group.attrs, dataset.attrs):
            if FEATURE_NAMES in attributes:
                return texts(attributes, FEATURE_NAMES, where)
    return None


def _place(dataset: Any) -> tuple[Path, str]:
    if not dataset:
        raise DataError("features are a dataset of a closed HDF5 file", remedy="keep the file open, or pass its path")
    path = Path(dataset.file.filename)
    return path, f"{path}:{dataset.name}"
