"""Markdown tables of results."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with a header; vertical bars in its cells are escaped."""
    escaped = [[cell.replace("|", r"\|") for cell in cells] for cells in (columns, *rows)]
    header, *body = [f"| {' | '.join(cells)} |" for cells in escaped]
    return "\n".join([header, "|" + "---|" * len(columns), *body])


def mean_and_half_range(values: Sequence[float], digits: int = 3) -> str:
    """Return the mean, and half the range if there are several values."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {(max(values) - min(values)) / 2:.{digits}f}"
