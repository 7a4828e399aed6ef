"""Findings of a description of codebooks that a reader has to know before the pictures, as sentences."""

from __future__ import annotations

from collections.abc import Iterator

from spinlock.errors import shortened
from spinlock.evaluation.codebooks.description import CodebookDescription
from spinlock.evaluation.codebooks.row_maps import MIN_ROWS, has_umap
from spinlock.evaluation.findings import FEW_ROWS, MANY_COPIED, MANY_DEAD, MANY_DEAD_OF_CODEBOOK
from spinlock.evaluation.health import NO_BITS

MIN_PERPLEXITY = 2.0**NO_BITS
"""Perplexity below which a codebook carries no information."""


def codebook_findings(result: CodebookDescription) -> tuple[str, ...]:
    """Return what makes the pictures of codebooks doubtful or surprising, most important first."""
    return (*_codebooks(result), *_rows(result), *_maps(result))


def _codebooks(result: CodebookDescription) -> Iterator[str]:
    constant = [code_map.name for code_map in result.code_maps if code_map.perplexity < MIN_PERPLEXITY]
    if len(constant) == 1:
        yield f"The codebook {constant[0]} carries no bits, because one code has almost all rows."
    elif constant:
        listed = shortened(", ".join(constant), 300)
        yield f"{len(constant)} codebooks carry no bits, because one code has almost all rows: {listed}."
    worst = max(result.code_maps, key=lambda code_map: code_map.num_dead / code_map.size)
    if result.num_dead_codes > MANY_DEAD * result.num_codes or worst.num_dead > MANY_DEAD_OF_CODEBOOK * worst.size:
        yield (
            f"{result.num_dead_codes:,} of {result.num_codes:,} codes have no row. The largest fraction is in "
            f"{worst.name} "
            f"({worst.num_dead} of {worst.size})."
        )


def _rows(result: CodebookDescription) -> Iterator[str]:
    setup, drawn = result.setup, len(result.rows)
    if setup.sampled:
        yield (
            f"Usage, prototypes and correlations are computed from a random sample of {setup.num_rows:,} of "
            f"{setup.num_table_rows:,} rows. A higher --max-rows uses more."
        )
    if drawn < setup.num_rows:
        yield (
            f"The maps show a random sample of {drawn:,} of {setup.num_rows:,} rows. A higher --max-map-rows draws "
            "more of them."
        )
    if setup.num_rows < FEW_ROWS:
        yield f"Only {setup.num_rows} rows are described, so that most codes have few rows."
    if result.rows.num_copies > MANY_COPIED * drawn:
        yield (
            f"{result.rows.num_copies / drawn:.0%} of the rows of the maps are copies of another one. Equal rows are "
            "one point, and a card names them once."
        )


def _maps(result: CodebookDescription) -> Iterator[str]:
    if not result.maps:
        yield f"There are no maps of rows, because they need {MIN_ROWS} different rows."
    elif not has_umap():
        yield "There are no UMAP maps, because umap-learn is not installed: pip install 'spinlock[umap]'."
    if not any(coloring.kind != "token" for coloring in result.colorings):
        yield "The dataset has no label or parameter that can color the maps, so that they are colored by tokens."
