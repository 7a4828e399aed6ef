"""``train-vqvae``: train the tokenizer, go on with a run, or say what a run would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinlock.cli.options import Config, Set

if TYPE_CHECKING:
    import torch

    from spinlock.config import VQVAEConfig
    from spinlock.preprocessing.training_data import FeatureTable
    from spinlock.runtime.process_group import ProcessGroup
    from spinlock.training.compilation import CompilePlan
    from spinlock.training.prepare import Prepared
    from spinlock.training.run import Run
    from spinlock.training.stopping import StopRequest


def train_vqvae(
    config: Config,
    input_path: Annotated[Path | None, typer.Option("--input", help="HDF5 dataset of features.", metavar="H5")] = None,
    output: Annotated[Path | None, typer.Option("--output", help="Directory of the run.", metavar="DIR")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Epochs to train; 0 keeps the warm start.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Rows per optimizer step, at most.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", help="Highest learning rate.")] = None,
    resume_from: Annotated[
        Path | None,
        typer.Option("--resume-from", help="best_model.pt, last.pt or the directory of a run to go on with."),
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = None,
    no_torch_compile: Annotated[bool, typer.Option("--no-torch-compile", help="Never compile the network.")] = False,
    max_time: Annotated[
        float | None, typer.Option("--max-time", help="Stop after this many minutes, saved and resumable.")
    ] = None,
    set_values: Set = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do everything up to the first epoch, write nothing.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Report each validation.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in the output directory.")] = False,
) -> None:
    """Train the tokenizer on a table of features.

    [bold]Example[/bold]

    spinlock train-vqvae --config configs/vqvae/production.json --input datasets/benchmark_50k.h5
    --output checkpoints/vqvae/production_50k --set ema_decay=0.99
    """
    from spinlock.config import load_config
    from spinlock.errors import ConfigError
    from spinlock.training.stopping import StopRequest

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
    if max_time is not None and not 0 < max_time < float("inf"):
        raise ConfigError([f"--max-time is {max_time}, expected minutes above 0"], where="command line")
    stop = StopRequest(None if max_time is None else 60 * max_time)
    _check_directory(settings, overwrite, dry_run)
    _check_input(settings)

    from spinlock.cli.terminal import first_only
    from spinlock.cli.views.training_plan import tell_plan, tell_resumed
    from spinlock.preprocessing.training_data import read_table
    from spinlock.runtime.device import choose_device
    from spinlock.runtime.rendezvous import process_group

    with process_group() as group, first_only(group.is_main):
        chosen = choose_device(settings.device, local_rank=group.local_rank, local_world_size=group.local_world_size)
        if settings.resume_from is not None:
            run = _resume(settings, chosen, group)
            if dry_run:
                tell_resumed(run)
                return
        else:
            table = read_table(settings, chosen, group)
            prepared, settings, compile_plan = _prepare(settings, table, chosen, group)
            if dry_run:
                tell_plan(prepared, settings, compile_plan, chosen)
                return
            run = _start(prepared, settings, compile_plan, chosen, group)
        with stop.on_signals():
            _train(run, stop)


def _check_input(settings: VQVAEConfig) -> None:
    """Find the faults that the head of the dataset shows, before seconds go into importing torch."""
    from spinlock.categories.mapping import load_mapping
    from spinlock.cli.dataset_recipes import check_dataset
    from spinlock.errors import located
    from spinlock.io.features import open_features
    from spinlock.preprocessing.split import split_rows

    check_dataset(settings.input_path)
    with (
        located(settings.input_path),
        open_features(
            settings.input_path, family=settings.feature_family, feature_type=settings.feature_type
        ) as source,
    ):
        label = settings.split_by
        split_rows(
            source.num_operators,
            source.rows_per_operator,
            validation_fraction=settings.validation_fraction,
            seed=settings.split_seed,
            groups=None if label is None else source.read_groups(label),
        )
        if settings.category_assignment != "auto" and settings.category_mapping_file is not None:
            load_mapping(settings.category_mapping_file, source.names)


def _check_directory(settings: VQVAEConfig, overwrite: bool, dry_run: bool) -> None:
    """A run in the way is refused; a dry run, which replaces nothing, only mentions it."""
    from spinlock.checkpoint.directory import check_directory, occupying
    from spinlock.cli.terminal import log

    check_directory(settings, overwrite=overwrite or dry_run)
    if dry_run and not overwrite and (occupant := occupying(settings)) is not None:
        log(f"note: {occupant.parent} holds a run already; training needs --resume-from, --overwrite or --output")


def _prepare(
    settings: VQVAEConfig, table: FeatureTable, device: torch.device, group: ProcessGroup
) -> tuple[Prepared, VQVAEConfig, CompilePlan]:
    from spinlock.cli.terminal import log, working
    from spinlock.errors import located
    from spinlock.training.batches import batch_plan, check_shares
    from spinlock.training.plan import adaptations, plan_step
    from spinlock.training.prepare import prepare, resolved_config

    log(f"{table.path}: {table.num_operators} operators, {len(table.rows)} rows, {len(table.names)} columns")
    with located(table.path), working("finding categories and codebook sizes"):
        prepared = prepare(table, settings, device, group)
    data = prepared.data
    dropped = data.cleaner.dropped
    log(
        f"split: {len(data.split.train)} training, {len(data.split.validation)} validation rows; "
        f"{len(data.cleaner.kept)} columns kept, {len(dropped)} dropped"
    )
    for name, reason in dropped.items() if settings.verbose else ():
        log(f"  dropped {name}: {reason}")
    for line in adaptations(prepared, settings):
        log(f"adapted: {line}")
    check_shares(batch_plan(data, settings), group)
    compiling = plan_step(prepared, settings, device, group)
    log(compiling.reason)
    return prepared, resolved_config(settings, prepared), compiling


def _start(
    prepared: Prepared, settings: VQVAEConfig, compile_plan: CompilePlan, device: torch.device, group: ProcessGroup
) -> Run:
    from spinlock.cli.terminal import command_line, log
    from spinlock.training.plan import callbacks
    from spinlock.training.run import new_run

    spec = prepared.spec
    log(
        f"{spec.num_categories} categories, {spec.bits_per_row:.0f} bits per row, largest centroid cosine "
        f"{prepared.categories.discovery.chosen.cosine:.3f}"
    )
    for line in callbacks(prepared.data, settings):
        log(line)
    return new_run(prepared, settings, compile_plan, device=device, command_line=command_line(), group=group)


def _resume(settings: VQVAEConfig, device: torch.device, group: ProcessGroup) -> Run:
    from spinlock.checkpoint.provenance import environment
    from spinlock.cli.terminal import command_line, log
    from spinlock.preprocessing.training_data import read_table
    from spinlock.training.resume import as_before, furthest_checkpoint, resumed_run

    assert settings.resume_from is not None, "resuming from something"
    found = furthest_checkpoint(settings.resume_from)
    if found.note:
        log(found.note)
    table = read_table(as_before(settings, found.checkpoint), device, group)
    run = resumed_run(found.checkpoint, table, settings, device=device, command_line=command_line(), group=group)
    progress = run.state.progress
    log(
        f"resuming {found.checkpoint.path} after epoch {progress.epoch}"
        + (f" and {progress.step_in_epoch} steps" if progress.step_in_epoch else "")
        + f" of {settings.epochs}"
    )
    for key, (old, new) in run.changed.items():
        log(f"changed: {key} {old!r} -> {new!r}")
    log(run.fixed.compile_plan.reason)
    before, now = found.checkpoint.content["training_state"]["environment"], environment(device)
    differing = [key for key in now if before.get(key) != now[key]]
    if differing:
        log(f"note: {', '.join(differing)} differ from the saved run's; results may differ in the last digits")
    return run


def _train(run: Run, stop: StopRequest) -> None:
    from spinlock.cli.terminal import INTERRUPTED, duration, log
    from spinlock.cli.views.training_progress import TrainingProgress
    from spinlock.cli.views.training_result import tell_result
    from spinlock.evaluation.final_metrics import final_metrics

    with TrainingProgress(run.fixed.config, run.fixed.discovery["chosen"]["cosine"]) as observer:
        reason = run.train(observer, stop)
    progress = run.state.progress
    if stop.reason is not None and reason == stop.reason:
        log(f"stopped after epoch {progress.epoch}: {reason}; the state is saved")
        log(f"resume with: {_resume_command(run)}")
        raise typer.Exit(INTERRUPTED)
    if reason is not None:
        log(f"stopped after epoch {progress.epoch}: {reason}")
    log(f"training took {duration(observer.seconds)}")
    if run.group.is_main:
        run.finish(final_metrics(run.best_model(), run.fixed.data))
        tell_result(run)


def _resume_command(run: Run) -> str:
    """The command line of this run, going on from its last.pt."""
    import shlex
    import sys

    from spinlock.checkpoint.directory import last_path
    from spinlock.cli.terminal import program

    given, kept = sys.argv[1:], []
    skip = False
    for argument in given:
        if skip:
            skip = False
        elif argument == "--resume-from":
            skip = True
        elif argument != "--overwrite" and not argument.startswith("--resume-from="):
            kept.append(argument)
    return shlex.join([*program(), *kept, "--resume-from", str(last_path(run.fixed.config))])
