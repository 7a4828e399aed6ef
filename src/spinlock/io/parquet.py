"""Tables as Parquet files, if pyarrow is installed."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any


def has_pyarrow() -> bool:
    """Return whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def to_parquet(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Return the content of a Parquet file.

    Parameters
    ----------
    columns
        {name: values [n]}: numbers, text, or mappings of lists; None where a value is missing.

    Returns
    -------
    bytes
    """
    import pyarrow
    import pyarrow.parquet

    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({name: list(values) for name, values in columns.items()}), stream)
    return stream.getvalue()
