"""The command ``extract-features``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinlock.cli.options import Device, Output, Overwrite, Quiet, Shard, path_option


def extract_features(
    rollouts: Annotated[Path, path_option("--rollouts", "HDF5 file with the fields.", "H5")],
    output: Output,
    scale: Annotated[float, typer.Option("--scale", help="Factor by which the fields are multiplied first.")] = 1.0,
    hold_diverged: Annotated[
        bool,
        typer.Option("--hold-diverged", help="Accept diverged runs; they repeat their last valid frame."),
    ] = False,
    device: Device = "auto",
    shard: Shard = None,
    quiet: Quiet = False,
    overwrite: Overwrite = False,
) -> None:
    """Extract the features of rollouts and write them as a dataset.

    The rollouts are 1-D or 2-D fields in a file of The Well, or in the dataset
    /outputs/fields (operators, realizations, frames, channels, grid) of a file.

    The features are those of generate without the sensitivity group.

    \f
    spinlock extract-features --rollouts my_rollouts.h5 --output datasets/my_features.h5
    """
    from spinlock.cli.shards import origin_line, path_of, shard_of
    from spinlock.cli.terminal import format_bytes, log, stdout
    from spinlock.cli.views.notes import log_notes
    from spinlock.cli.views.progress import progress
    from spinlock.io.rollouts import open_rollouts

    target = shard_of(output, shard)
    with open_rollouts(rollouts) as source:
        num_operators = source.num_operators
        log(
            f"{source.layout}: {num_operators} operators, {source.realizations} realizations, "
            f"{source.frames} frames, grid {' x '.join(str(side) for side in source.grid if side > 1)}"
        )

    from spinlock.extraction.extract_file import extract_features as extract  # imports torch, which takes seconds

    with progress("extracting", num_operators, unit="operators") as advance:
        result = extract(
            rollouts,
            target,
            device=device,
            hold_diverged=hold_diverged,
            scale=scale,
            overwrite=overwrite,
            command_line=origin_line(),
            advance=advance,
        )
    log_notes(result.notes)
    if result.num_held:
        stdout().print(f"{result.num_held} runs diverged and repeat their last valid frame (see /metadata/held)")
    if result.was_complete:
        stdout().print(f"the shard was complete already: {result.output}")
        return
    written = f"{format_bytes(path_of(target).stat().st_size)} written: {result.output}"
    stdout().print(f"extracted the features of {result.num_operators} operators; {written}")
