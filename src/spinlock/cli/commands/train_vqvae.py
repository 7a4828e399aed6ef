"""The command ``train-vqvae``: train a tokenizer, resume a run, or print the plan of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinlock.cli.options import Config, MaxTime, Quiet, Set, path_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spinlock.config import VQVAEConfig
    from spinlock.runtime.process_group import ProcessGroup
    from spinlock.training.callbacks import Callback


ResumeFrom = Annotated[
    Path | None,
    path_option("--resume-from", "Run to resume: its best_model.pt, its last.pt, or its directory.", "PATH"),
]


def train_vqvae(
    config: Config,
    input_path: Annotated[Path | None, path_option("--input", "HDF5 dataset of features.", "H5")] = None,
    output: Annotated[Path | None, path_option("--output", "Directory of the run.", "DIR")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Epochs; 0 only initializes the network.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Maximum rows in an optimizer step.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="Maximum learning rate.")] = None,
    resume_from: ResumeFrom = None,
    device: Annotated[str | None, typer.Option("--device", help="Device: auto, cpu, cuda or cuda:N.")] = None,
    no_torch_compile: Annotated[
        bool, typer.Option("--no-torch-compile", help="Never compile the training step.")
    ] = False,
    max_time: MaxTime = None,
    set_values: Set = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and write nothing.")] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", help="Print every dropped column, the schedule and a line for each validation."),
    ] = False,
    quiet: Quiet = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the output directory.")] = False,
) -> None:
    """Train a tokenizer on a table of features.

    \f
    spinlock train-vqvae --config configs/vqvae/production.json --input datasets/quickstart.h5
    --output checkpoints/vqvae/quickstart
    """
    from spinlock.config import load_config

    settings = load_config(
        config,
        overrides={
            "input_path": input_path,
            "output_dir": output,
            "epochs": epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "resume_from": resume_from,
            "device": device,
            "use_torch_compile": False if no_torch_compile else None,
            "verbose": True if verbose else None,
        },
        set_values=set_values or [],
    )
    inputs = [path for path in (config, settings.input_path, settings.category_mapping_file) if path is not None]
    _precheck(settings, inputs, overwrite=overwrite, dry_run=dry_run)

    from spinlock.cli.terminal import main_process_only  # after the checks: these imports take seconds, with torch
    from spinlock.runtime.rendezvous import process_group

    with process_group() as group, main_process_only(group.is_main):
        _train(settings, inputs, max_time, group, overwrite=overwrite, dry_run=dry_run)


def _precheck(settings: VQVAEConfig, inputs: Sequence[Path], *, overwrite: bool, dry_run: bool) -> None:
    """Check the output directory and the input before torch is imported, which takes seconds."""
    from spinlock.checkpoint.directory import RunDirectory
    from spinlock.cli.dataset_recipes import check_dataset
    from spinlock.cli.terminal import log
    from spinlock.errors import OutputError
    from spinlock.training.precheck import check_inputs

    directory, resumed = RunDirectory(settings.output_dir, settings.checkpoint_dir), settings.resume_from
    if not dry_run:
        directory.check_unlocked()
    directory.check_files(inputs, resumed)
    try:
        if not overwrite and directory.has_finished_run(inputs, resumed) and dry_run:
            log(f"note: {settings.output_dir} already contains a finished run, which training sets aside")
    except OutputError as error:
        if not dry_run:
            raise
        log(f"note: {error}")
    check_dataset(settings.input_path)
    check_inputs(settings, settings.category_mapping_file)


def _train(
    settings: VQVAEConfig,
    inputs: Sequence[Path],
    max_time: float | None,
    group: ProcessGroup,
    *,
    overwrite: bool,
    dry_run: bool,
) -> None:
    """Train and print the result, or print the plan if ``dry_run`` is true; ``max_time`` is in minutes."""
    from spinlock.cli.terminal import command_line, format_duration, log, resume_command
    from spinlock.cli.views.plan import print_dry_run, print_resumed_dry_run
    from spinlock.cli.views.result import print_result
    from spinlock.cli.views.training import TrainingView
    from spinlock.training.callbacks import SaveCheckpoints, StopAfter, StopOnSignals
    from spinlock.training.fit import fit

    view = TrainingView(verbose=settings.verbose)
    limits: list[Callback] = [] if max_time is None else [StopAfter(60 * max_time)]
    saving = SaveCheckpoints(overwrite=overwrite, inputs=inputs, on_set_aside=_log_set_aside)
    callbacks = [saving, *limits, StopOnSignals(), view]
    try:
        outcome = fit(settings, callbacks=callbacks, dry_run=dry_run, command_line=command_line(), group=group)
    finally:
        view.close()
    if dry_run:
        if outcome.run is None:
            print_dry_run(outcome.plan, outcome.plan.data.train.device)
        else:
            print_resumed_dry_run(outcome.plan, outcome.run.state.progress.epoch)
        return
    run = outcome.run
    assert run is not None, "only a dry run has no run"
    epoch = run.state.progress.epoch
    if run.stopped:
        log(f"stopped after epoch {epoch}: {run.end_reason}; the state is saved")
        log(f"resume with: {resume_command(run.directory.last)}")
        raise typer.Exit(130)
    if run.end_reason is not None:
        log(f"stopped after epoch {epoch}: {run.end_reason}")
    log(f"training took {format_duration(view.seconds)}")
    if group.is_main:
        print_result(run)


def _log_set_aside(path: Path) -> None:
    """Log the new place of the run that was in the output directory."""
    from spinlock.cli.terminal import log

    log(f"the finished run in the output directory is kept as {path}")
