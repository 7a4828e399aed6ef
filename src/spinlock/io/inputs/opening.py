"""Opening of a file, and of the object of a hard link in a group."""

import os
from pathlib import Path
from typing import Any

import h5py

from spinlock.io.hdf5 import open_hdf5, reading
from spinlock.io.inputs.folders import Folders, beside
from spinlock.io.inputs.heaps import check_heaps
from spinlock.io.inputs.virtual import check_external


def open_file(path: Path) -> Any:
    """Open a file read-only, and check its global heaps.

    Returns
    -------
    h5py.File

    Raises
    ------
    DataError
        The file is missing, not readable, not HDF5, locked or damaged.
    """
    handle = open_hdf5(path)
    try:
        with reading(path):
            check_heaps(path)
    except BaseException:
        handle.close()
        raise
    return handle


def open_object(group: Any, name: bytes, folders: Folders, path: Path, where: str) -> tuple[Any, list[str]]:
    """Open the object of a hard link; external storage is checked, and is read from the folder of its file.

    Parameters
    ----------
    group
        Identifier of the group.
    name
        Name of the link.
    folders
        Allowed folders of other files.
    path
        The file.
    where
        File and name of the object, for messages.

    Returns
    -------
    object : h5py.Group, h5py.Dataset or h5py.Datatype
    names : list of str
        Names of the raw files that contain the values of a dataset.
    """
    if h5py.h5o.get_info(group, name).type != h5py.h5o.TYPE_DATASET:
        identifier = h5py.h5o.open(group, name)
        is_group = isinstance(identifier, h5py.h5g.GroupID)
        return (h5py.Group(identifier) if is_group else h5py.Datatype(identifier)), []
    identifier = _open_dataset(group, name, None, *beside(path))
    if not identifier.get_create_plist().get_external_count():
        return h5py.Dataset(identifier), []
    names, folder = check_external(identifier, folders, path, where)
    del identifier  # HDF5 uses another folder only if the dataset is not open
    return h5py.Dataset(_open_dataset(group, name, folder)), names


def _open_dataset(group: Any, name: bytes, *folders: Path | None) -> Any:
    """Open a dataset with the first folder of raw files that HDF5 accepts: that of a dataset that is open is fixed."""
    failure: Exception | None = None
    for folder in folders:
        access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
        if folder is not None:
            access.set_efile_prefix(os.fsencode(folder))
        try:
            return h5py.h5d.open(group, name, access)
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            failure = failure or error
    assert failure is not None, "there is at least one folder"
    raise failure
