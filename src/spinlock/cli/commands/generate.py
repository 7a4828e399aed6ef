"""The command ``generate``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinlock.cli.options import Config, Output, Overwrite, Quiet, Set, path_option

if TYPE_CHECKING:
    from spinlock.config import DatasetConfig


def generate(
    config: Config,
    output: Output,
    num_samples: Annotated[int | None, typer.Option("--num-samples", help="Number of operators.")] = None,
    save_fields: Annotated[
        int | None,
        typer.Option("--save-fields", help="Number of operators of which a few frames are stored, as /snapshots."),
    ] = None,
    from_predictions: Annotated[
        Path | None,
        path_option("--from-predictions", "File of predict-operators; its operators are rolled out.", "H5"),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            help="Operators that are computed together, in blocks of 16 (64 on a GPU). The data do not depend on it.",
        ),
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="Device: auto, cpu, cuda or cuda:N.")] = None,
    set_values: Set = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the unfinished run of this output.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and write nothing.")] = False,
    quiet: Quiet = False,
    overwrite: Overwrite = False,
) -> None:
    """Sample operators, roll them out, and write their behavioral features as a dataset.

    With --from-predictions the operators are those that predict-operators found, instead of sampled ones.

    Under torchrun each process computes a part of the operators, and the main process writes the dataset.

    \f
    spinlock generate --config configs/datasets/quickstart.yaml --output datasets/quickstart.h5
    """
    from spinlock.config import load_dataset_config
    from spinlock.io.atomic import check_writable

    settings = load_dataset_config(
        config,
        overrides={
            "num_samples": num_samples,
            "save_fields": save_fields,
            "from_predictions": from_predictions,
            "batch_size": batch_size,
            "device": device,
        },
        set_values=set_values or [],
    )
    check_writable(output, overwrite=overwrite or resume, inputs=[config])

    if dry_run:
        from spinlock.cli.views.generation_plan import print_plan  # imports torch, which takes seconds
        from spinlock.generation.plan import plan_generation

        print_plan(plan_generation(settings, output, resume=resume, overwrite=overwrite))
    else:
        _generate(settings, output, resume=resume, overwrite=overwrite)


def _generate(settings: DatasetConfig, output: Path, *, resume: bool, overwrite: bool) -> None:
    """Generate a dataset, and log the command that resumes the run if it is interrupted."""
    from spinlock.cli.views.generation_progress import GenerationProgress
    from spinlock.generation.generate import generate as run

    try:
        with GenerationProgress() as progress:
            command_line = shlex.join(sys.argv)
            run(settings, output, callback=progress, resume=resume, overwrite=overwrite, command_line=command_line)
    except KeyboardInterrupt:
        _log_interruption()
        raise


def _log_interruption() -> None:
    """Log the command that resumes this run."""
    from spinlock.cli.terminal import log, program

    log("interrupted; the finished blocks are kept")
    arguments = [word for word in sys.argv[1:] if word != "--resume"]
    log(f"resume with: {shlex.join([*program(), *arguments, '--resume'])}")
