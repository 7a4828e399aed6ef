"""Printing of discovered categories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spinlock.cli.terminal import stdout, text_table
from spinlock.discovery import Categories
from spinlock.metrics.row_centroids import CLIPPED


def print_categories(categories: Categories, output: Path) -> None:
    """Print each category with some of its columns, the scores of the partition, and the stability."""
    console, summary, agreement = stdout(), categories.summary, categories.agreement
    rows = [
        (name, str(len(columns)), *([] if agreement is None else [f"{agreement[name]:.2f}"]), _examples(columns))
        for name, columns in categories.columns.items()
    ]
    headings = ("category", "columns", *([] if agreement is None else ["agreement"]), "for example")
    console.print(text_table(headings, rows))
    cosine = categories.clipped_cosine
    clipped = "" if cosine is None else f" ({cosine:.3f} with {CLIPPED})"
    count = sum(len(columns) for columns in categories.columns.values())
    console.print(
        f"{len(categories.columns)} categories of {count} columns ({len(categories.dropped)} dropped); largest "
        f"centroid cosine {summary.chosen.cosine:.3f}{clipped}, {'below' if summary.meets_target else 'not below'} the "
        f"target {summary.target:g}; silhouette {summary.chosen.silhouette:.3f}"
    )
    if categories.stability is not None:
        index = categories.stability.adjusted_rand
        console.print(
            f"adjusted Rand index over {len(index)} bootstrap samples: mean {index.mean():.2f}, lowest "
            f"{index.min():.2f}"
        )
    console.print(f"written: {output}")


def _examples(columns: Sequence[str]) -> str:
    return ", ".join(columns[:3]) + (", ..." if len(columns) > 3 else "")
