"""The output of ``inspect`` for a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from spinlock.cli.terminal import stdout, text_table
from spinlock.cli.views.dropped import print_dropped
from spinlock.config import CleaningSettings
from spinlock.errors import DataError
from spinlock.io.features import open_features
from spinlock.io.hdf5 import open_hdf5
from spinlock.preprocessing.cleaning import Cleaner

MAX_VALUES = 24
"""The counts of the values of a label are printed if it has at most this number of distinct values."""


def print_dataset(path: Path, family: str, feature_type: str | None, row: int | None) -> None:
    """Print shape, labels, unusable columns and attributes of a dataset, or the features of one row."""
    console = stdout()
    if feature_type is None:
        with open_hdf5(path) as file:
            types = list(file["features"].get(family, {}))
        feature_type = "aggregated" if "aggregated" in types or not types else types[0]
    with open_features(path, family=family, feature_type=feature_type) as source:
        console.print(
            f"dataset {family}/{feature_type} {list(source.shape)}: {source.num_operators} operators, "
            f"{source.rows_per_operator} rows each, {len(source.names)} columns"
        )
        if row is not None:
            check_row(row, source.num_rows, path)
            values = source.read(row, row + 1)[0].tolist()
            rows = [(name, f"{value:.6g}") for name, value in zip(source.names, values, strict=True)]
            console.print(text_table(("feature", "value"), rows))
            return
        for name in source.labels():
            console.print(f"labels/{name}: {_value_counts(source.read_label(name))}", markup=False)
        _print_columns(console, source.read_all(), source.names)
        console.print(f"sha256 of the features: {source.sha256()}")
        finite = np.isfinite(source.read(0, min(1, source.num_rows))).mean()
        console.print(f"first row: {100 * finite:.0f} % finite")
        print_attributes(console, {name: v for name, v in source.file_attributes().items() if "\n" not in str(v)})


def check_row(row: int, count: int, path: Path) -> None:
    """Raise an error if a file does not have a row.

    Raises
    ------
    DataError
        ``row`` is negative or not below ``count``.
    """
    if not 0 <= row < count:
        raise DataError(f"--row is {row}", where=str(path), expected=f"0 to {count - 1}")


def print_attributes(console: Console, attributes: dict[str, Any]) -> None:
    """Print the attributes of a file, one in each line."""
    for name, value in attributes.items():
        console.print(f"{name}: {value}", markup=False)


def _value_counts(values: NDArray[Any]) -> str:
    """Return the count of each value, most frequent first, or only the number of distinct values if there are many."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) > MAX_VALUES:
        return f"{len(distinct)} distinct values"
    order = np.argsort(-counts, kind="stable")
    return ", ".join(f"{distinct[index]} {counts[index]}" for index in order)


def _print_columns(console: Console, rows: NDArray[np.float32], names: tuple[str, ...]) -> None:
    """Print the number of missing cells, and the columns that cleaning would drop if all rows were training rows."""
    missing = ~np.isfinite(rows)
    console.print(
        f"missing cells: {int(missing.sum())} in {int(missing.any(0).sum())} columns, {int(missing.any(1).sum())} rows"
    )
    try:
        print_dropped(console, Cleaner.fit(rows, names, CleaningSettings()).dropped)
    except DataError as error:
        console.print(f"cannot be trained on: {error}")
