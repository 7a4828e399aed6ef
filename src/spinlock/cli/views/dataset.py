"""The output of ``inspect`` for a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from spinlock.cli.terminal import stdout, text_table
from spinlock.cli.views.columns import print_dropped
from spinlock.config import CleaningSettings
from spinlock.errors import DataError, shortened
from spinlock.io.features import FeatureSource, open_features
from spinlock.io.inputs.file import InputFile
from spinlock.io.snapshots import read_snapshot_layout
from spinlock.preprocessing.cleaning import Cleaner
from spinlock.preprocessing.split import subsample

MAX_VALUES, MAX_COUNTED = 24, 100_000
"""Numbers of distinct values of a label up to which each count is printed, and up to which the values are counted."""

SAMPLE_BYTES, MIN_SAMPLE = 2**24, 1000
"""Size of the sample of rows from which the columns of a large table are judged, and its minimum number of rows."""

MAX_ATTRIBUTE_LENGTH = 500
"""Maximum number of characters of an attribute that are printed."""

BLOCK_ROWS = 8192
"""Rows that are read at a time."""


def print_dataset(path: Path, family: str, feature_type: str | None, row: int | None) -> None:
    """Print shape, labels, unusable columns and attributes of a dataset, or the features of one row."""
    console = stdout()
    if feature_type is None:
        with InputFile.open(path) as file:
            types = file.names(f"features/{family}")
        feature_type = "aggregated" if "aggregated" in types or not types else types[0]
    with open_features(path, family=family, feature_type=feature_type) as source:
        console.print(
            f"dataset {family}/{feature_type} {list(source.shape)}: operators {source.num_operators}, "
            f"rows per operator {source.rows_per_operator}, columns {len(source.names)}"
        )
        if row is not None:
            check_row(row, source.num_rows, path)
            values = source.read(row, row + 1)[0].tolist()
            digits = 15 if source.dtype == np.float64 else 6
            rows = [(name, f"{value:.{digits}g}") for name, value in zip(source.names, values, strict=True)]
            console.print(text_table(("feature", "value"), rows))
            return
        for name in source.labels():
            console.print(f"labels/{name}: {_value_counts(source, name)}", markup=False)
        _print_columns(console, source)
        _print_snapshots(console, path)
        console.print(f"sha256 of the features: {source.sha256()}")
        finite = np.isfinite(source.read(0, 1)).mean()
        console.print(f"first row: {100 * finite:.0f} % finite")
        print_attributes(console, {name: v for name, v in source.file_attributes().items() if "\n" not in str(v)})
        for note in source.notes:
            console.print(f"note: {note}", markup=False)


def _print_snapshots(console: Console, path: Path) -> None:
    """Print of which operators the dataset contains frames, if there are any."""
    try:
        layout = read_snapshot_layout(path)
    except DataError as error:
        console.print(f"snapshots: cannot be shown: {error.what}", markup=False)
        return
    if layout is not None:
        num_operators, _, channels, height, width = layout.shape
        steps = shortened(", ".join(map(str, layout.steps.tolist())), MAX_ATTRIBUTE_LENGTH)
        console.print(f"snapshots: frames {steps} of {num_operators} operators, [{channels}, {height}, {width}] each")


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
        console.print(f"{shortened(name)}: {shortened(str(value), MAX_ATTRIBUTE_LENGTH)}", markup=False)


def _value_counts(source: FeatureSource, name: str) -> str:
    """Return the count of each value, most frequent first, or only a statement if there are many values."""
    try:
        counts = source.count_values(name, MAX_COUNTED)
    except DataError as error:
        return f"cannot be shown: {error.what}"
    if counts is None:
        return f"more than {MAX_COUNTED} distinct values"
    if len(counts) > MAX_VALUES:
        return f"{len(counts)} distinct values"
    order = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return ", ".join(f"{shortened(str(value))} {count}" for value, count in order)


def _print_columns(console: Console, source: FeatureSource) -> None:
    """Print the number of missing cells, and the columns that cleaning would drop if all rows were training rows.

    The missing cells are counted in blocks. The columns of a large table are judged from a sample of its rows.
    """
    in_columns, cells, rows = np.zeros(source.shape[-1], dtype=np.int64), 0, 0
    for _, block in source.blocks(BLOCK_ROWS):
        missing = ~np.isfinite(block)
        in_columns += missing.sum(0)
        cells, rows = cells + int(missing.sum()), rows + int(missing.any(1).sum())
    console.print(f"missing cells: {cells} in {int((in_columns > 0).sum())} columns, {rows} rows")
    limit = max(MIN_SAMPLE, SAMPLE_BYTES // (source.shape[-1] * source.dtype.itemsize))
    if source.num_rows > limit:
        console.print(f"the columns are judged from a sample of {limit} rows")
    try:
        sample = source.rows_at(subsample(np.arange(source.num_rows), limit, seed=0))
        print_dropped(console, Cleaner.fit(sample, source.names, CleaningSettings()).dropped)
    except DataError as error:
        console.print(f"cannot be trained on: {error}")
