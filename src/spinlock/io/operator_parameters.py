"""Parameters of the operators of a dataset, /parameters.

Letters: ``N`` operators, ``P`` parameters, ``M`` realizations.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.features import open_features
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.dataset import InputDataset
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
        return parameters_of(file, num_operators)


def parameters_of(file: InputFile, num_operators: int) -> dict[str, NDArray[np.float64]]:
    """Return the parameters of the operators of an open file; see :func:`read_parameters`."""
    for name in TABLES:
        table = _table(file, name, num_operators)
        if table is not None:
            values = table.read().astype(np.float64)
            return dict(zip(_names(file, values.shape[1]), values.T, strict=True))
    return {}


@dataclass(frozen=True)
class ParameterTables:
    """Coordinates and values of the parameters of N operators; NaN where an operator has no such parameter.

    Attributes
    ----------
    names
        Names [P].
    unit
        Coordinates [N, P] in the unit cube.
    physical
        Physical values [N, P].
    """

    names: tuple[str, ...]
    unit: NDArray[np.float64]
    physical: NDArray[np.float64]


def read_parameter_tables(path: Path | str, num_operators: int) -> ParameterTables:
    """Read the coordinates in the unit cube and the physical values of the parameters.

    Parameters
    ----------
    path
        HDF5 file.
    num_operators
        Number of operators N.

    Returns
    -------
    ParameterTables

    Raises
    ------
    DataError
        The file cannot be read, or a table is missing or has another number of operators.
    """
    tables = []
    with InputFile.open(path) as file, reading(file.path):
        for name in ("parameters/params", "parameters/physical"):
            table = _table(file, name, num_operators)
            if table is None:
                raise DataError(
                    "is missing, or has another shape",
                    where=f"{path}:/{name}",
                    expected=f"parameters [{num_operators}, P], one row of numbers for each operator",
                    remedy="encode a dataset of spinlock generate, which contains the parameters of its operators",
                )
            tables.append(table.read().astype(np.float64))
        unit, physical = tables
        if unit.shape != physical.shape:
            what = f"has shape {unit.shape}, and /parameters/physical has {physical.shape}"
            raise DataError(what, where=f"{path}:/parameters/params", expected="equal shapes")
        return ParameterTables(tuple(_names(file, unit.shape[1])), unit, physical)


def _table(file: InputFile, name: str, num_operators: int) -> InputDataset | None:
    """Return a dataset of numbers [N, P], or None if the file has none of this name and number of rows."""
    node = file.find(name)
    if node is None or node.is_group:
        return None
    table = file.checked(node, f"{file.path}:/{name}", as_stored=True)
    is_table = table.shape is not None and len(table.shape) == 2 and table.shape[0] == num_operators
    return table if is_table and not table.is_text else None


def _names(file: InputFile, count: int) -> list[str]:
    """Return the names of the parameters, or numbered ones if the file has no names for all of them."""
    node = file.find("parameters/names")
    if node is not None and not node.is_group:
        table = file.checked(node, f"{file.path}:/parameters/names", as_stored=True)
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
