"""The command ``train-ano``: train an atomic neural operator, resume a run, or print the plan of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinlock.cli.options import Config, MaxTime, Quiet, Set, path_option

if TYPE_CHECKING:
    from spinlock.ano.training.run import Run


def train_ano(
    config: Config,
    tokens: Annotated[Path | None, path_option("--tokens", "Token file with parameters.", "H5")] = None,
    output: Annotated[Path | None, path_option("--output", "Directory of the run.", "DIR")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Maximum epochs of each member.")] = None,
    resume_from: Annotated[
        Path | None, path_option("--resume-from", "Run to resume: its last.pt, or its directory.", "PATH")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="Device: auto, cpu, cuda or cuda:N.")] = None,
    max_time: MaxTime = None,
    set_values: Set = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and write nothing.")] = False,
    quiet: Quiet = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the output directory.")] = False,
) -> None:
    """Train ANO, which predicts the family and the parameters of an operator from its tokens.

    \f
    spinlock train-ano --config configs/ano/default.yaml --tokens datasets/quickstart_tokens.h5
    --output checkpoints/ano/quickstart
    """
    from spinlock.ano.checkpoint.directory import ANODirectory
    from spinlock.config import load_ano_config
    from spinlock.io.hdf5 import open_hdf5

    settings = load_ano_config(
        config,
        overrides={
            "tokens_path": tokens,
            "output_dir": output,
            "epochs": epochs,
            "resume_from": resume_from,
            "device": device,
        },
        set_values=set_values or [],
    )
    if not dry_run:
        inputs = [config, settings.tokens_path]
        ANODirectory(settings.output_dir).check(inputs, settings.resume_from, overwrite=overwrite)
    open_hdf5(settings.tokens_path).close()

    from spinlock.ano.training.plan import make_plan  # after the checks: these imports take seconds, with torch
    from spinlock.ano.training.run import Run
    from spinlock.cli.terminal import command_line
    from spinlock.cli.views.ano.commands import print_plan

    plan = make_plan(settings)
    run = Run.start(plan, command_line())
    print_plan(plan)
    if not dry_run:
        _train(run, max_time)


def _train(run: Run, max_time: float | None) -> None:
    """Train and print the result; ``max_time`` is in minutes."""
    from spinlock.ano.training.run import TimeLimitError
    from spinlock.cli.terminal import log, resume_command
    from spinlock.cli.views.ano.commands import print_result, training_progress

    output = run.plan.config.output_dir
    try:
        with training_progress(run) as on_epoch:
            checkpoint = run.execute(on_epoch, max_seconds=None if max_time is None else 60 * max_time)
    except TimeLimitError as limit:
        log(f"stopped after epoch {run.state.epoch} of member {run.state.member}: {limit}; the state is saved")
        log(f"resume with: {resume_command(output / 'last.pt')}")
        raise typer.Exit(130) from None
    except KeyboardInterrupt:
        if run.saved is not None:
            log(f"interrupted; the state after epoch {run.saved[1]} of member {run.saved[0]} is saved")
            log(f"resume with: {resume_command(output / 'last.pt')}")
        raise
    print_result(checkpoint, output)
