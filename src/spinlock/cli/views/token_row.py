"""The output of ``inspect --row`` for a token file."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.console import Console

from spinlock.checkpoint.file import load_checkpoint
from spinlock.cli.terminal import stdout, text_table
from spinlock.cli.views.progress import progress
from spinlock.encoding import RowCodec, TokenRow, describe_row
from spinlock.errors import shortened
from spinlock.io.tokens import TokenFile
from spinlock.model import LEVELS


def print_token_row(source: TokenFile, row: int, model: Path | None) -> None:
    """Print the tokens of a row, the typical feature values if a model is given, and the nearest rows."""
    codec = None if model is None else RowCodec.of(load_checkpoint(model), torch.device("cpu"))
    with progress("comparing rows", source.num_rows) as advance:
        described = describe_row(source, row, codec, advance)
    console = stdout()
    _print_tokens(console, described)
    if described.typical:
        _print_typical_values(console, described)
    _print_nearest(console, described)
    if model is None:
        console.print("--vqvae-model adds the feature values that these tokens stand for, and distances in token space")


def _print_tokens(console: Console, row: TokenRow) -> None:
    """Print place and quality of the row, and its codes by category and level."""
    place, quality = row.place, row.quality
    labels = "".join(f", {shortened(name)} {shortened(value)}" for name, value in place.labels.items())
    console.print(f"row {place.row}: operator {place.operator}, {place.split}{labels}", markup=False)
    console.print(
        f"reconstruction error {quality['reconstruction_error']:.4f}, larger than that of "
        f"{quality['error_percentile']:.0f} % of the validation rows; {100 * quality['clipped_share']:.1f} % of the "
        f"cells clipped, {100 * quality['imputed_share']:.1f} % imputed"
    )
    levels = [f"L{level}" for level in range(LEVELS)]
    rows = [(category, *(f"{code} of {size}" for code, size in codes)) for category, codes in row.codes.items()]
    console.print(text_table(("category", *levels), rows, title="tokens (code, number of codes)"))


def _print_typical_values(console: Console, row: TokenRow) -> None:
    """Print the features of each category that deviate most from the training mean."""
    rows = [
        (each.feature, each.category, f"{each.value:.6g}", *(f"{z:+.2f}" for z in each.z_scores))
        for each in row.typical
    ]
    title = "decoded features that deviate most from the training mean: value, and z-scores from 1, 2 and 3 levels"
    columns = ("feature", "category", "value", "1 level", *(f"{levels} levels" for levels in range(2, LEVELS + 1)))
    console.print(text_table(columns, rows, title=title))


def _print_nearest(console: Console, row: TokenRow) -> None:
    """Print the nearest rows."""
    if not row.nearest:
        return
    names = list(row.place.labels)
    rows = [
        (
            str(each.place.row),
            f"{each.distance:.4g}",
            str(each.num_equal),
            each.place.split,
            *(each.place.labels[name] for name in names),
        )
        for each in row.nearest
    ]
    title = f"nearest rows by {row.distance_kind}; the mean distance to all other rows is {row.mean_distance:.4g}"
    console.print(text_table(("row", "distance", "equal tokens", "split", *names), rows, title=title))
