"""``encode-to-tokens``: features to tokens, streamed."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Annotated

import typer

from spinlock.cli.options import Dataset, Device, Model, Output, Overwrite

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from spinlock.io.features import FeatureSource
    from spinlock.runtime.process_group import ProcessGroup
    from spinlock.tokenizer import EncodedBlock, Tokenizer

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
    from spinlock.cli.dataset_recipes import check_dataset
    from spinlock.errors import DataError
    from spinlock.io.atomic import check_writable
    from spinlock.io.features import open_features
    from spinlock.io.hdf5 import open_hdf5

    if batch_size < 1:
        raise DataError(f"--batch-size is {batch_size}", expected="at least 1")
    check_dataset(dataset)
    open_hdf5(dataset).close()
    check_writable(output, overwrite=overwrite, inputs=[dataset, vqvae_model])

    from spinlock.cli.terminal import first_only  # after the checks: what follows imports torch, which takes seconds
    from spinlock.runtime.device import choose_device
    from spinlock.runtime.rendezvous import process_group
    from spinlock.tokenizer import Tokenizer

    with process_group() as group, first_only(group.is_main):
        tokenizer = Tokenizer.load(
            vqvae_model, choose_device(device, local_rank=group.local_rank, local_world_size=group.local_world_size)
        )
        trained_on = tokenizer.checkpoint.content["dataset"]
        with open_features(dataset, family=trained_on["family"], feature_type=trained_on["feature_type"]) as source:
            blocks = _encoded(source, tokenizer, batch_size, group)
            if group.is_main:
                _write(source, tokenizer, blocks, output, overwrite)
            else:
                deque(blocks, maxlen=0)  # what it makes goes to the first process


def _encoded(
    source: FeatureSource, tokenizer: Tokenizer, batch_size: int, group: ProcessGroup
) -> Iterator[tuple[NDArray[np.float32], EncodedBlock]]:
    """Raw rows and tokens, block by block, in the first process; each of several encodes its share of the blocks."""
    import numpy as np

    from spinlock.errors import located
    from spinlock.preprocessing.cleaning import match_columns
    from spinlock.runtime.threads import prefetch

    with located(source.path):
        columns = match_columns(source.names, tokenizer.feature_names)
    in_order = len(source.names) == len(columns) and np.array_equal(columns, np.arange(len(columns)))
    last = (source.num_rows - 1) // batch_size
    waiting = []
    own = None
    for number, rows in enumerate(prefetch(_blocks_of(source, batch_size, group))):
        waiting.append(rows)
        if len(rows) and number % group.world_size == group.rank:
            own = tokenizer.encode_block(rows if in_order else rows[:, columns])
        if number % group.world_size == group.world_size - 1 or number == last:
            done = group.gather_objects(own)
            yield from zip(waiting, done, strict=False)
            waiting, own = [], None


def _blocks_of(source: FeatureSource, size: int, group: ProcessGroup) -> Iterator[NDArray[np.float32]]:
    """All blocks of rows for the first process, which hashes them too; the others leave those of others empty."""
    if group.is_main:
        yield from (rows for _, rows in source.blocks(size))
        return
    for number, start in enumerate(range(0, source.num_rows, size)):
        stop = start + size if number % group.world_size == group.rank else start
        yield source.read(start, stop)


def _write(
    source: FeatureSource,
    tokenizer: Tokenizer,
    blocks: Iterator[tuple[NDArray[np.float32], EncodedBlock]],
    output: Path,
    overwrite: bool,
) -> None:
    import hashlib
    import time

    from spinlock import __version__
    from spinlock.cli.terminal import out
    from spinlock.cli.views.progress import progress
    from spinlock.io.token_columns import TokenColumns
    from spinlock.io.tokens import TokenWriter
    from spinlock.runtime.threads import prefetch

    extra = len(source.names) - len(tokenizer.feature_names)
    digest, started = hashlib.sha256(), time.perf_counter()
    imputed = clipped = errors = 0.0
    near_ties = 0
    writer = TokenWriter(
        output,
        TokenColumns.of(tokenizer.codebook_sizes),
        source.shape[:-1],
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
        for rows, block in prefetch(blocks):
            digest.update(rows.astype("<f4", copy=False).data)
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
        writer.write_split(_sides(source.num_operators, digest.hexdigest(), tokenizer))
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
        f"mean reconstruction error {errors / source.num_rows:.4f} (normalized units), imputed cells "
        f"{round(imputed * kept)}, clipped cells {round(clipped * kept)}, extra columns ignored {extra}, rows with "
        f"a near tie {near_ties}"
    )
    console.print(f"{seconds:.1f} s, {source.num_rows / seconds:.0f} rows per second")


def _sides(operators: int, sha256: str, tokenizer: Tokenizer) -> NDArray[np.int8]:
    """Which operators [N] were trained on, where the dataset is the one that the model was trained on."""
    import numpy as np

    from spinlock.io.tokens import SIDES

    content = tokenizer.checkpoint.content
    trained_on = content["dataset"]
    sides = np.full(operators, SIDES.index("new"), dtype=np.int8)
    if (operators, sha256) == (trained_on["num_operators"], trained_on["sha256"]):
        for side in ("train", "validation"):
            sides[content["split_operators"][side].numpy()] = SIDES.index(side)
    return sides
