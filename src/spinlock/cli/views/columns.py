"""What the cleaning does to columns: the dropped columns with their reasons, and the normalization of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from spinlock.cli.terminal import text_table
from spinlock.preprocessing.tails import Auto

if TYPE_CHECKING:
    from rich.console import Console

    from spinlock.preprocessing.cleaning import Cleaner
    from spinlock.preprocessing.column_statistics import DropKind

MAX_NAMES = 3
"""Maximum number of names of dropped columns in the summary."""


def dropped_summary(by_reason: Mapping[DropKind, tuple[str, ...]], columns: int) -> str:
    """Return for example ``41 of 279 columns: 17 constant, 24 duplicate (AB, CD, EF, ...)``."""
    names = [name for members in by_reason.values() for name in members]
    if not names:
        return f"none of {columns} columns"
    counts = ", ".join(f"{len(members)} {reason}" for reason, members in by_reason.items() if members)
    examples = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
    return f"{len(names)} of {columns} columns: {counts} ({examples})"


def normalization_summary(cleaner: Cleaner) -> str:
    """Return the method of the normalization, for example ``auto: 2 of 344 columns are heavy-tailed (AB, CD)``."""
    normalizer = cleaner.normalizer
    if not isinstance(normalizer, Auto):
        return normalizer.method
    names = _heavy_tailed(cleaner)
    examples = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
    count = len(names) or "none"
    return f"auto: {count} of {len(cleaner.kept)} columns are heavy-tailed" + (f" ({examples})" if names else "")


def _heavy_tailed(cleaner: Cleaner) -> list[str]:
    """Return the names of the heavy-tailed columns of the normalization ``auto``; none for another one."""
    normalizer = cleaner.normalizer
    if not isinstance(normalizer, Auto):
        return []
    return [name for name, heavy in zip(cleaner.kept_names, normalizer.heavy, strict=True) if heavy]


def print_normalization(console: Console, cleaner: Cleaner) -> None:
    """Print the method of the normalization, and the names of all heavy-tailed columns."""
    console.print(f"normalization: {normalization_summary(cleaner)}")
    names = _heavy_tailed(cleaner)
    if len(names) > MAX_NAMES:
        console.print(f"heavy-tailed columns: {', '.join(names)}")


def print_dropped(console: Console, dropped: Mapping[str, str]) -> None:
    """Print every dropped column with its reason."""
    if not dropped:
        console.print("no constant, duplicate or mostly missing columns")
        return
    console.print(text_table(("dropped column", "reason"), list(dropped.items())))
