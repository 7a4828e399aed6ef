"""Category mapping files: JSON objects {name: [column names or indices]}. Keys that begin with ``_`` are comments."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spinlock.errors import DataError, shortened
from spinlock.io.names import join_names
from spinlock.paths import is_special_file

REMEDY = "correct the mapping file"

MAX_NAME_LENGTH = 200
"""Maximum length of the name of a category, which is part of the names of token columns and of statistics."""

MAX_BYTES = 64_000_000
"""Maximum size of a mapping file, which is held in memory as a whole."""


def load_mapping(path: Path, names: Sequence[str]) -> dict[str, list[int]]:
    """Read a mapping file.

    Parameters
    ----------
    path
        JSON file, in which a column is a name or an index into ``names``.
    names
        Names of the columns of the feature table, [D].

    Returns
    -------
    dict
        Indices into ``names`` of the columns of each category, in the order of the file.

    Raises
    ------
    DataError
        The file is missing or has another structure, a column is unknown or repeated, or a category name is invalid.
    """
    where = str(path)
    content = _read(path)
    position = {name: index for index, name in enumerate(names)}
    category_of: dict[int, str] = {}
    unknown, repeated = [], []
    mapping: dict[str, list[int]] = {}
    for category, columns in content.items():
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_\-]*", category) or len(category) > MAX_NAME_LENGTH:
            what = f"category name {shortened(repr(category))} cannot be used"
            expected = f"at most {MAX_NAME_LENGTH} letters, digits, _ and -"
            raise DataError(what, where=where, expected=expected, remedy=REMEDY)
        if not isinstance(columns, list) or not columns:
            what = f"category {category!r} is {columns!r:.60}"
            raise DataError(what, where=where, expected="a list of column names or indices", remedy=REMEDY)
        members = mapping.setdefault(category, [])
        for column in columns:
            index = _index(column, position, len(names))
            if index is None:
                unknown.append(column)
            elif index in category_of:
                repeated.append(f"{names[index]} (in {category_of[index]} and {category})")
            else:
                category_of[index] = category
                members.append(index)
    if unknown:
        what = f"unknown columns: {join_names([shortened(str(column)) for column in unknown])}"
        raise DataError(what, where=where, expected=f"names or indices 0 to {len(names) - 1}", remedy=REMEDY)
    if repeated:
        raise DataError(f"columns occur more than once: {join_names(repeated)}", where=where, remedy=REMEDY)
    return mapping


def save_mapping(groups: Mapping[str, Sequence[str]], comments: Mapping[str, Any]) -> bytes:
    """Return the content of a mapping file.

    Parameters
    ----------
    groups
        Column names of each category.
    comments
        Further values, which are stored under keys that begin with ``_``.

    Returns
    -------
    bytes
        UTF-8 text.
    """
    content: dict[str, Any] = {f"_{key}": value for key, value in comments.items()}
    content.update({name: list(columns) for name, columns in groups.items()})
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _read(path: Path) -> dict[str, Any]:
    """Return the JSON object of a mapping file without its comments."""
    where = str(path)
    remedy = "use a file from discover-categories, or one with the same structure"
    if is_special_file(path):
        raise DataError("is not a regular file", where=where, remedy=remedy)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            what = f"has {size / 1e6:,.0f} MB"
            raise DataError(what, where=where, expected=f"at most {MAX_BYTES / 1e6:.0f} MB", remedy=remedy)
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique_keys)
    except FileNotFoundError:
        raise DataError("no such mapping file", where=where, remedy=remedy) from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot be read as JSON ({error})", where=where, remedy=remedy) from None
    if not isinstance(content, dict):
        raise DataError(f"is a JSON {type(content).__name__}", where=where, expected="{name: [columns]}", remedy=remedy)
    mapping = {key: value for key, value in content.items() if not key.startswith("_")}
    if not mapping:
        raise DataError("contains no category", where=where, expected="{name: [columns]}", remedy=remedy)
    return mapping


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raise a :class:`ValueError` for a repeated key, for which the JSON parser would silently keep the last value."""
    content = dict(pairs)
    if len(content) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        repeated = next(key for key, count in counts.items() if count > 1)
        raise ValueError(f"{shortened(repr(repeated))} occurs twice")
    return content


def _index(column: Any, position: Mapping[str, int], count: int) -> int | None:
    """Return the index of a column that is given by its name or index; None if it does not exist."""
    if isinstance(column, bool):
        return None
    if isinstance(column, int):
        return column if 0 <= column < count else None
    return position.get(column) if isinstance(column, str) else None
