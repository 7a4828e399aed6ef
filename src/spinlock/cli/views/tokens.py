"""The output of ``inspect`` for a token file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spinlock.cli.terminal import stdout, text_table
from spinlock.cli.views.dataset import check_row, print_attributes
from spinlock.io.tokens import TokenFile

READ_ROWS = 8192
"""Rows that are read at a time."""


def print_tokens(path: Path, row: int | None, model: Path | None) -> None:
    """Print split, errors, codebook usage and attributes of a token file, or one row."""
    console = stdout()
    with TokenFile.open(path) as source:
        console.print(f"tokens {list(source.shape)}, {len(set(source.category))} categories")
        names = source.columns.names
        if row is not None:
            check_row(row, source.num_rows, path)
            from spinlock.cli.views.token_row import print_token_row  # imports torch, which takes seconds

            print_token_row(source, row, model)
            return
        sides, counts = np.unique(source.split, return_counts=True)
        console.print("split: " + ", ".join(f"{count} {side}" for side, count in zip(sides, counts, strict=True)))
        errors = source.row_quality("reconstruction_error")
        console.print(f"reconstruction error: mean {errors.mean():.4f}, largest {errors.max():.4f}")
        used: list[set[int]] = [set() for _ in names]
        for _, block in source.blocks(READ_ROWS):
            for codes_used, values in zip(used, block.T, strict=True):
                codes_used.update(np.unique(values).tolist())
        rows = [
            (name, str(size), f"{len(codes_used) / size:.2f}")
            for name, size, codes_used in zip(names, source.codebook_size, used, strict=True)
        ]
        console.print(text_table(("token column", "codes", "used"), rows))
        print_attributes(console, source.attributes)
