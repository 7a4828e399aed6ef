"""The place of a feature table in a file: /features/<family>/<type>/features.

Letters: ``N`` operators, ``M`` rows of one operator, ``D`` columns.
"""

from typing import Any

import h5py
import numpy as np

from spinlock.errors import DataError
from spinlock.io.inputs.dataset import InputDataset
from spinlock.io.inputs.file import InputFile
from spinlock.io.names import join_names

AGGREGATED = "aggregated"
"""Feature type of tables with one row for each operator."""

MAX_COLUMNS = 2**16
"""Maximum number of columns D, because correlations need D x D numbers."""


def find_group(file: InputFile, family: str, feature_type: str) -> str:
    """Return the path ``/features/<family>/<feature_type>``.

    Raises
    ------
    DataError
        There is no such group; the message names the existing groups.
    """
    path = ""
    for name, key in (
        ("features", ""),
        (family, "family (feature_family in a configuration)"),
        (feature_type, "feature_type"),
    ):
        node = file.find(f"{path}/{name}")
        if node is None or not node.is_group:
            what = f"no group {path}/{name}"
            if node is not None:
                what = f"{path}/{name} is a dataset of shape {getattr(node.object, 'shape', None)}, not a group"
            existing = [child for child in file.names(path or "/") if _is_group(file, f"{path}/{child}")]
            expected, remedy = "/features/<family>/<type>", ""
            if existing and key:
                expected, remedy = f"one of the existing groups: {join_names(existing)}", f"set {key}"
            raise DataError(what, where=str(file.path), expected=expected, remedy=remedy)
        path = f"{path}/{name}"
    return path


def _is_group(file: InputFile, name: str) -> bool:
    """Return whether there is a group of this name; a broken link does not count."""
    try:
        node = file.find(name)
    except DataError:
        return False
    return node is not None and node.is_group


def find_table(file: InputFile, group: str, feature_type: str) -> InputDataset:
    """Return the dataset ``features`` of a group.

    Raises
    ------
    DataError
        There is none, or it is not a table of real numbers of the rank of ``feature_type``.
    """
    where = f"{file.path}:{group}"
    node = file.find(f"{group}/features")
    if node is None or node.is_group:
        raise DataError(
            "no dataset 'features'",
            where=where,
            expected=f"a dataset of this name; the group contains {join_names(file.names(group))}",
        )
    table = file.checked(node, f"{where}/features")
    letters = {AGGREGATED: "[N, D]", "per_trajectory": "[N, M, D]", "per_timestep": "[N, T, D]"}
    expected = letters.get(feature_type, "[N, M, D]")
    shape = table.shape
    if shape is None or len(shape) != expected.count(",") + 1:
        raise DataError(f"shape {shape}", where=table.where, expected=f"{expected} for {feature_type}")
    if table.dtype.kind not in "fiub":
        raise DataError(f"contains {_type_name(table.dtype)}", where=table.where, expected="real numbers")
    if shape[-1] > MAX_COLUMNS:
        raise DataError(f"has {shape[-1]} columns", where=table.where, expected=f"at most {MAX_COLUMNS}")
    if 0 in shape:
        raise DataError(f"shape {shape} has no {'columns' if shape[-1] == 0 else 'rows'}", where=table.where)
    return table


def _type_name(dtype: np.dtype[Any]) -> str:
    """Return the name of a dtype in error messages, for example ``text`` instead of ``object``."""
    if dtype.kind in "OS":
        return "text" if h5py.check_string_dtype(dtype) else "objects"
    return {"V": "compound records", "c": "complex numbers"}.get(dtype.kind, str(dtype))
