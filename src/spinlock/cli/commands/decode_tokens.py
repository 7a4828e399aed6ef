"""The command ``decode-tokens``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinlock.cli.options import Device, Model, Output, Overwrite, Quiet, path_option


def decode_tokens(
    tokens: Annotated[Path, path_option("--tokens", "Token file of encode-to-tokens.", "H5")],
    vqvae_model: Model,
    output: Output,
    levels: Annotated[int, typer.Option("--levels", help="Number of levels of each category to use, 1 to 3.")] = 3,
    device: Device = "auto",
    quiet: Quiet = False,
    overwrite: Overwrite = False,
) -> None:
    """Decode tokens to features in raw units.

    With --levels 1 or 2 only the coarser levels are used.

    \f
    spinlock decode-tokens --tokens datasets/quickstart_tokens.h5
    --vqvae-model checkpoints/vqvae/quickstart/best_model.pt --output datasets/quickstart_decoded.h5 --levels 2
    """
    from spinlock.errors import DataError
    from spinlock.io.atomic import check_writable
    from spinlock.io.tokens import TokenFile

    if levels not in (1, 2, 3):
        raise DataError(f"--levels is {levels}", expected="1, 2 or 3")
    check_writable(output, overwrite=overwrite, inputs=[tokens, vqvae_model])
    with TokenFile.open(tokens) as source:
        rows = source.num_rows

    from spinlock.checkpoint.file import load_checkpoint  # after the checks: these imports take seconds, with torch
    from spinlock.cli.terminal import stdout
    from spinlock.cli.views.notes import log_note
    from spinlock.cli.views.progress import progress
    from spinlock.encoding import RowCodec, decode_file
    from spinlock.runtime.device import choose_device

    checkpoint = load_checkpoint(vqvae_model)
    codec = RowCodec.of(checkpoint, choose_device(device))
    with progress("decoding", rows) as advance:
        decode_file(codec, tokens, output, levels=levels, overwrite=overwrite, advance=advance, note=log_note)
    features = len(checkpoint.feature_names)
    stdout().print(f"decoded {rows} rows of {features} features from {levels} of 3 levels; written: {output}")
