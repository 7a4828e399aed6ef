"""Opening of a file, and of the object of a hard link in a group."""

from pathlib import Path
from typing import Any

import h5py

from spinlock.io.hdf5 import open_hdf5, reading
from spinlock.io.inputs.folders import Folders
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
    identifier = h5py.h5o.open(group, name)
    if isinstance(identifier, h5py.h5g.GroupID):
        return h5py.Group(identifier), []
    if not isinstance(identifier, h5py.h5d.DatasetID):
        return h5py.Datatype(identifier), []
    if not identifier.get_create_plist().get_external_count():
        return h5py.Dataset(identifier), []
    names, folder = check_external(identifier, folders, path, where)
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_efile_prefix(str(folder).encode())
    del identifier  # HDF5 uses the new prefix only if the dataset is not open
    return h5py.Dataset(h5py.h5d.open(group, name, access)), names
