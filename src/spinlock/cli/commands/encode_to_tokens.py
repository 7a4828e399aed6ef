"""The command ``encode-to-tokens``."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from spinlock.cli.options import Dataset, Device, Model, Output, Overwrite, Quiet, Shard


def encode_to_tokens(
    dataset: Dataset,
    vqvae_model: Model,
    output: Output,
    batch_size: Annotated[
        int,
        typer.Option("--batch-size", help="Number of rows that are read at a time. The tokens do not depend on it."),
    ] = 8192,
    device: Device = "auto",
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if values are missing or do not fit the training ranges.")
    ] = False,
    shard: Shard = None,
    quiet: Quiet = False,
    overwrite: Overwrite = False,
) -> None:
    """Encode the features of a dataset as tokens.

    Under torchrun each process encodes a part of the rows.

    \f
    spinlock encode-to-tokens --dataset datasets/quickstart.h5 --vqvae-model checkpoints/vqvae/quickstart/best_model.pt
    --output datasets/quickstart_tokens.h5
    """
    from spinlock.cli.dataset_recipes import check_dataset
    from spinlock.cli.shards import path_of, shard_of
    from spinlock.errors import DataError
    from spinlock.io.atomic import check_writable
    from spinlock.io.hdf5 import open_hdf5

    if batch_size < 1:
        raise DataError(f"--batch-size is {batch_size}", expected="at least 1")
    check_dataset(dataset)
    open_hdf5(dataset).close()
    target = shard_of(output, shard)
    inputs = [dataset, vqvae_model]
    check_writable(path_of(target), overwrite=overwrite or target is not output, inputs=inputs)

    from spinlock.checkpoint.file import load_checkpoint  # after the checks: these imports take seconds, with torch
    from spinlock.cli.terminal import main_process_only
    from spinlock.cli.views.encoding import print_summary
    from spinlock.cli.views.progress import progress
    from spinlock.encoding import RowCodec, encode_file
    from spinlock.io.features import open_features
    from spinlock.runtime.device import choose_device
    from spinlock.runtime.rendezvous import process_group

    with process_group() as group, main_process_only(group.is_main):
        chosen = choose_device(device, local_rank=group.local_rank, local_world_size=group.local_world_size)
        checkpoint = load_checkpoint(vqvae_model)
        codec = RowCodec.of(checkpoint, chosen)
        trained_on = checkpoint.dataset
        with open_features(dataset, family=trained_on.family, feature_type=trained_on.feature_type) as source:
            rows = source.num_rows
        with progress("encoding", rows) as advance:
            write = partial(encode_file, codec, dataset, target, overwrite=overwrite, strict=strict)
            summary = write(batch_size=batch_size, group=group, advance=advance)
        if summary is not None:
            print_summary(summary, path_of(target))
