"""The printing of a description of codebooks."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from spinlock.cli.terminal import log_paragraph, stdout
from spinlock.evaluation.codebooks.description import CodebookDescription
from spinlock.evaluation.codebooks.map_points import NEIGHBORS, column_prefix
from spinlock.evaluation.codebooks.row_maps import has_umap


def log_earlier_files(paths: Sequence[Path]) -> None:
    """Log that pictures of an earlier run remain beside those of this run."""
    if paths:
        log_paragraph(
            f"note: {paths[0].parent} also has {len(paths)} files that this run did not write: {paths[0].name}"
            f"{', ...' if len(paths) > 1 else ''}"
        )


def print_description(result: CodebookDescription, page: Path, points: Path | None) -> None:
    """Print the usage of the codes, what is missing, and the paths of the files."""
    console = stdout()
    setup = result.setup
    sample = f"a sample of {setup.num_rows:,} of " if setup.sampled else ""
    used = result.num_codes - result.num_dead_codes
    console.print(f"{used:,} of {result.num_codes:,} codes are used by {sample}{setup.num_table_rows:,} rows")
    if not has_umap():
        console.print("UMAP maps are missing, because umap-learn is not installed: pip install 'spinlock[umap]'")
    if points is None:
        console.print("points.parquet is missing, because pyarrow is not installed: pip install 'spinlock[parquet]'")
    console.print(f"page: {page}")
    if points is not None and result.maps:
        prefix = column_prefix(result.maps[0].name)
        columns = f"--x {prefix}_x --y {prefix}_y --neighbors {NEIGHBORS}"
        console.print(f"explore: embedding-atlas {shlex.quote(str(points))} {columns}", soft_wrap=True)
