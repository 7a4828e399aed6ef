"""The output of ``inspect`` for an HDF5 file that is neither a dataset nor a token file."""

from __future__ import annotations

from pathlib import Path

from spinlock.cli.terminal import stdout
from spinlock.errors import DataError
from spinlock.io.inputs.content import read_content
from spinlock.io.inputs.file import InputFile


def print_content(path: Path, row: int | None) -> None:
    """Print the groups, datasets, links and attributes of a file; no values of its datasets."""
    if row is not None:
        what = "contains neither features nor tokens, so that it has no rows"
        raise DataError(what, where=str(path), expected="a dataset or a token file", remedy="omit --row")
    console = stdout()
    console.print("HDF5 file with neither features nor tokens; its content:")
    with InputFile.open(path) as file:
        content = read_content(file)
    for entry in content.entries:
        console.print(f"{entry.path}: {entry.text}")
        for name, value in entry.attributes:
            console.print(f"    {name}: {value}")
    if content.more:
        console.print(f"and {'' if content.is_complete else 'at least '}{content.more:,} more entries")
