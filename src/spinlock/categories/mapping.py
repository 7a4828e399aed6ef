"""Category mapping files: JSON {name: [column names or indices]}; keys that begin with ``_`` are comments."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spinlock.errors import DataError

REMEDY = "correct the mapping file"


def load_mapping(path: Path, names: Sequence[str]) -> dict[str, list[int]]:
    """{category: [positions in ``names``]} of a mapping file; its columns are names or indices into ``names``.

    Raises:
        DataError: no such file, not of this form, unknown or repeated columns, a name that cannot be used.
    """
    where = str(path)
    content = _read(path)
    position = {name: index for index, name in enumerate(names)}
    owner: dict[int, str] = {}
    unknown, repeated = [], []
    mapping: dict[str, list[int]] = {}
    for category, columns in content.items():
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_\-]*", category):
            what = f"category name {category!r} cannot be used"
            raise DataError(what, where=where, expected="letters, digits, _ and -", remedy=REMEDY)
        if not isinstance(columns, list) or not columns:
            what = f"category {category!r} holds {columns!r:.60}"
            raise DataError(what, where=where, expected="a list of column names or indices", remedy=REMEDY)
        members = mapping.setdefault(category, [])
        for column in columns:
            index = _index(column, position, len(names))
            if index is None:
                unknown.append(column)
            elif index in owner:
                repeated.append(f"{names[index]} (in {owner[index]} and {category})")
            else:
                owner[index] = category
                members.append(index)
    if unknown:
        what = f"unknown columns: {_some(unknown)}"
        raise DataError(what, where=where, expected=f"names or indices 0 to {len(names) - 1}", remedy=REMEDY)
    if repeated:
        raise DataError(f"columns named more than once: {_some(repeated)}", where=where, remedy=REMEDY)
    return mapping


def save_mapping(groups: Mapping[str, Sequence[str]], comments: Mapping[str, Any]) -> bytes:
    """The bytes of a mapping file; ``comments`` are stored under keys that begin with ``_``."""
    content: dict[str, Any] = {f"_{key}": value for key, value in comments.items()}
    content.update({name: list(columns) for name, columns in groups.items()})
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _read(path: Path) -> dict[str, Any]:
    where = str(path)
    remedy = "give a file that discover-categories wrote, or one of the same form"
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repeats)
    except FileNotFoundError:
        raise DataError("no such mapping file", where=where, remedy=remedy) from None
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot be read as JSON ({error})", where=where, remedy=remedy) from None
    if not isinstance(content, dict):
        raise DataError(f"holds a {type(content).__name__}", where=where, expected="{name: [columns]}", remedy=remedy)
    mapping = {key: value for key, value in content.items() if not key.startswith("_")}
    if not mapping:
        raise DataError("names no category", where=where, expected="{name: [columns]}", remedy=remedy)
    return mapping


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets a key occur twice and keeps the last: the columns of the first would be lost."""
    content = dict(pairs)
    if len(content) < len(pairs):
        repeated = next(key for key in content if sum(key == other for other, _ in pairs) > 1)
        raise ValueError(f"{repeated!r} occurs twice")
    return content


def _index(column: Any, position: Mapping[str, int], count: int) -> int | None:
    if isinstance(column, bool):
        return None
    if isinstance(column, int):
        return column if 0 <= column < count else None
    return position.get(column) if isinstance(column, str) else None


def _some(items: Sequence[Any], limit: int = 5) -> str:
    shown = ", ".join(str(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit} more"
