"""``encode-to-tokens``: features to tokens, streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spinlock.cli.options import Dataset, Device, Model, Output, Overwrite

if TYPE_CHECKING:
    from pathlib import Path

    from spinlock.data.dataset import FeatureSource
    from spinlock.tokenizer import Tokenizer

BATCH_SIZE = 8192


def encode_to_tokens(
    dataset: Dataset,
    vqvae_model: Model,
    output: Output,
    batch_size: Annotated[
        int, typer.Option("--batch-size", help="Rows read at a time; the tokens do not depend on it.")
    ] = BATCH_SIZE,
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Turn the features of a dataset into tokens.

    [bold]Example[/bold]

    spinlock encode-to-tokens --dataset datasets/test_4k_phase1_phase2.h5
    --vqvae-model checkpoints/vqvae/production_4k/best_model.pt --output datasets/test_4k_tokens.h5
    """
    from spinlock.cli.recipes import check_dataset
    from spinlock.data.dataset import open_features
    from spinlock.data.files import check_writable
    from spinlock.data.hdf5 import open_hdf5
    from spinlock.errors import DataError

    if batch_size < 1:
        raise DataError(f"--batch-size is {batch_size}", expected="at least 1")
    check_dataset(dataset)
    open_hdf5(dataset).close()
    check_writable(output, overwrite=overwrite, inputs=[dataset, vqvae_model])

    from spinlock.device import choose_device  # after the checks: this imports torch, which takes seconds
    from spinlock.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(vqvae_model, choose_device(device))
    trained_on = tokenizer.checkpoint.content["dataset"]
    with open_features(dataset, family=trained_on["family"], feature_type=trained_on["feature_type"]) as source:
        _encode(source, tokenizer, output, batch_size, overwrite)


def _encode(source: FeatureSource, tokenizer: Tokenizer, output: Path, batch_size: int, overwrite: bool) -> None:
    import hashlib
    import time

    import numpy as np

    from spinlock import __version__
    from spinlock.cli.console import out
    from spinlock.cli.progress import progress
    from spinlock.data.cleaning import match_columns
    from spinlock.data.tokencolumns import TokenColumns
    from spinlock.data.tokenfile import TokenWriter
    from spinlock.errors import located

    with located(source.path):
        columns = match_columns(source.names, tokenizer.feature_names)
    extra = len(source.names) - len(columns)
    in_order = extra == 0 and np.array_equal(columns, np.arange(len(columns)))
    digest, started = hashlib.sha256(), time.perf_counter()
    imputed = clipped = errors = 0.0
    near_ties = 0
    writer = TokenWriter(
        output,
        TokenColumns.of(tokenizer.codebook_sizes),
        source.shape[:-1],
        split=_split(source, tokenizer),
        attributes={
            "program_version": __version__,
            "assignment": tokenizer.model.spec.assignment,
            "model_sha256": tokenizer.sha256(),
            "extra_columns": extra,
        },
        annotations=source,
        overwrite=overwrite,
    )
    with writer, progress("encoding", source.num_rows) as advance:
        for _, rows in source.blocks(batch_size):
            digest.update(rows.astype("<f4", copy=False).tobytes())
            block = tokenizer.encode_block(rows if in_order else rows[:, columns])
            writer.write(
                block.indices,
                reconstruction_error=block.error,
                error_percentile=block.percentile,
                clipped_share=block.clipped,
                imputed_share=block.imputed,
            )
            imputed += float(block.imputed.sum())
            clipped += float(block.clipped.sum())
            errors += float(block.error.sum())
            near_ties += int(block.near_tie.sum())
            advance(len(rows))
        kept = len(tokenizer.cleaner.kept)
        writer.set_attributes(
            {
                "features_sha256": digest.hexdigest(),
                "imputed_cells": round(imputed * kept),
                "clipped_cells": round(clipped * kept),
                "near_tie_rows": near_ties,
            }
        )
    seconds = time.perf_counter() - started
    console = out()
    console.print(f"{source.num_rows} rows to {3 * len(tokenizer.categories)} tokens each: {output}")
    console.print(
        f"mean reconstruction error {errors / source.num_rows:.4f} (normalised units), imputed cells "
        f"{round(imputed * kept)}, clipped cells {round(clipped * kept)}, extra columns ignored {extra}, rows with "
        f"a near tie {near_ties}"
    )
    console.print(f"{seconds:.1f} s, {source.num_rows / seconds:.0f} rows per second")


def _split(source: FeatureSource, tokenizer: Tokenizer) -> list[str] | None:
    """Which operators were trained on, where the dataset is the one that the model was trained on."""
    content = tokenizer.checkpoint.content
    trained_on = content["dataset"]
    if source.num_operators != trained_on["num_operators"] or source.sha256() != trained_on["sha256"]:
        return None
    names = ["new"] * source.num_operators
    for side in ("train", "validation"):
        for operator in content["split_operators"][side].tolist():
            names[operator] = side
    return names
