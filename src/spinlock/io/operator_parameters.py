"""Parameters of the operators of a dataset, /parameters.

Letters: ``N`` operators, ``P`` parameters, ``M`` realizations.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.features import open_features
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.file import InputFile

TABLES = ("parameters/physical", "parameters/params")
"""Datasets of the values [N, P], the preferred one first."""


def read_parameters(path: Path | str, num_operators: int) -> dict[str, NDArray[np.float64]]:
    """Read the parameters of the operators.

    Parameters
    ----------
    path
        HDF5 file.
    num_operators
        Number of operators N.

    Returns
    -------
    dict
        {name: values [N]}, NaN where an operator has no such parameter; empty if the file has no parameters of N
        operators.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    with InputFile.open(path) as file, reading(file.path):
        for name in TABLES:
            node = file.find(name)
            if node is None or node.is_group:
                continue
            table = file.checked(node, f"{path}:/{name}", as_stored=True)
            if table.shape is None or len(table.shape) != 2 or table.shape[0] != num_operators or table.is_text:
                continue
            values = table.read().astype(np.float64)
            return dict(zip(_names(file, values.shape[1], path), values.T, strict=True))
    return {}


def _names(file: InputFile, count: int, path: Path | str) -> list[str]:
    node = file.find("parameters/names")
    if node is not None and not node.is_group:
        table = file.checked(node, f"{path}:/parameters/names", as_stored=True)
        if table.shape == (count,) and table.is_text:
            return [str(name) for name in table.read_text().tolist()]
    return [f"parameter_{j}" for j in range(count)]


def read_realizations(path: Path | str, family: str, num_operators: int) -> tuple[tuple[str, ...], Any] | None:
    """Open the table of the single realizations, /features/<family>/per_trajectory/features.

    Parameters
    ----------
    path
        HDF5 file.
    family
        Family of the features.
    num_operators
        Number of operators N.

    Returns
    -------
    names, values : tuple of str, numpy.ndarray
        Names [D] of the columns, and values [N, M, D]; or None if the file has no such table of N operators.
    """
    try:
        with open_features(path, family=family, feature_type="per_trajectory") as source:
            if source.num_operators != num_operators or source.rows_per_operator < 2:
                return None
            return source.names, source.read_all().reshape(source.shape)
    except DataError:
        return None
