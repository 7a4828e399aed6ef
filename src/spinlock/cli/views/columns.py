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
    names = [name for name, heavy in zip(cleaner.kept_names, normalizer.heavy, strict=True) if heavy]
    examples = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
    count = len(names) or "none"
    return f"auto: {count} of {len(cleaner.kept)} columns are heavy-tailed" + (f" ({examples})" if names else "")


def print_dropped(console: Console, dropped: Mapping[str, str]) -> None:
    """Print every dropped column with its reason."""
    if not dropped:
        console.print("no constant, duplicate or mostly missing columns")
        return
    console.print(text_table(("dropped column", "reason"), list(dropped.items())))
