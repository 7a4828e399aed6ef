"""``decode-tokens``: tokens back to named features."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinlock.cli.options import Device, Model, Output, Overwrite

ROWS = 8192


def decode_tokens(
    tokens: Annotated[Path, typer.Option("--tokens", help="Token file of encode-to-tokens.", metavar="H5")],
    vqvae_model: Model,
    output: Output,
    levels: Annotated[int, typer.Option("--levels", help="How many levels of each category to use, 1 to 3.")] = 3,
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Turn tokens back into features, in raw units, from any prefix of the levels.

    [bold]Example[/bold]

    spinlock decode-tokens --tokens datasets/test_4k_tokens.h5
    --vqvae-model checkpoints/vqvae/production_4k/best_model.pt --output datasets/test_4k_decoded.h5 --levels 2
    """
    from spinlock import __version__
    from spinlock.cli.terminal import out
    from spinlock.cli.views.progress import progress
    from spinlock.errors import DataError
    from spinlock.io.atomic import check_writable
    from spinlock.io.feature_writer import FeatureWriter
    from spinlock.io.tokens import TokenFile

    if levels not in (1, 2, 3):
        raise DataError(f"--levels is {levels}", expected="1, 2 or 3")
    check_writable(output, overwrite=overwrite, inputs=[tokens, vqvae_model])
    with TokenFile.open(tokens) as source:
        from spinlock.runtime.device import choose_device  # after the checks: importing torch takes seconds
        from spinlock.tokenizer import Tokenizer

        tokenizer = Tokenizer.load(vqvae_model, choose_device(device))
        trained_on = tokenizer.checkpoint.content["dataset"]
        if source.attributes.get("model_sha256") != tokenizer.sha256():
            raise DataError(
                "was encoded with another model",
                where=str(tokens),
                expected=f"tokens of {vqvae_model}",
                remedy="pass the checkpoint that encoded it, or encode again",
            )
        writer = FeatureWriter(
            output,
            tokenizer.feature_names,
            source.shape,
            family=trained_on["family"],
            feature_type=trained_on["feature_type"],
            attributes={
                "program_version": __version__,
                "model_sha256": tokenizer.sha256(),
                "decoded_levels": levels,
            },
            annotations=source,
            overwrite=overwrite,
        )
        with writer, progress("decoding", source.num_rows) as advance:
            for _, block in source.blocks(ROWS):
                writer.write(tokenizer.decode(block, levels))
                advance(len(block))
        out().print(
            f"{source.num_rows} rows of {len(tokenizer.feature_names)} features from {levels} of 3 levels: {output}"
        )
