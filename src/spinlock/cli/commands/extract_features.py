"""``extract-features``: the features of rollouts that somebody else simulated."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from spinlock.cli.options import Device, Output, Overwrite


def extract_features(
    rollouts: Annotated[Path, typer.Option("--rollouts", help="HDF5 file of fields to describe.", metavar="H5")],
    output: Output,
    scale: Annotated[float, typer.Option("--scale", help="Multiply the fields by this first.")] = 1.0,
    hold_diverged: Annotated[
        bool, typer.Option("--hold-diverged", help="Let runs that stop being finite hold their last good frame.")
    ] = False,
    device: Device = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Describe rollouts by the same features as generate, and write them as a dataset.

    The file has /outputs/fields (operators, realizations, frames, channels, grid), or is one of The Well; fields are
    1-D or 2-D. The sensitivity features need the operator itself and are left out.

    [bold]Example[/bold]

    spinlock extract-features --rollouts my_rollouts.h5 --output datasets/my_features.h5
    """
    import math

    from spinlock.cli.terminal import log, out, size
    from spinlock.cli.views.progress import progress
    from spinlock.errors import DataError
    from spinlock.io.atomic import check_writable
    from spinlock.io.rollouts import open_rollouts

    if not (math.isfinite(scale) and scale > 0):
        raise DataError(f"--scale is {scale}", expected="a number above 0")
    check_writable(output, overwrite=overwrite, inputs=[rollouts])
    with open_rollouts(rollouts) as source:
        from spinlock.generation.extraction import check_grid, extract_rollouts
        from spinlock.runtime.device import choose_device  # after the checks: importing torch takes seconds

        chosen = choose_device(device)
        check_grid(source)
        log(
            f"{source.layout}: {source.num_operators} operators, {source.realizations} realizations, "
            f"{source.frames} frames, grid {' x '.join(str(side) for side in source.grid if side > 1)}"
        )
        with progress("describing", source.num_operators, unit="operators") as advance:
            held = extract_rollouts(
                source,
                output,
                chosen,
                hold=hold_diverged,
                scale=scale,
                overwrite=overwrite,
                attributes={"command_line": shlex.join(sys.argv), "rollouts": str(rollouts)},
                advance=advance,
            )
        if held:
            out().print(f"{held} runs diverged and hold their last good frame (marked in /metadata/held)")
        out().print(f"{source.num_operators} operators described, {size(output.stat().st_size)}: {output}")
