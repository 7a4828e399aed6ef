"""Training from a feature table to a finished run: plan, start, training loop, final metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from spinlock.arguments import checked_items
from spinlock.checkpoint.directory import RunDirectory
from spinlock.checkpoint.history import History
from spinlock.checkpoint.latest import latest_checkpoint
from spinlock.checkpoint.progress import Progress
from spinlock.checkpoint.provenance import Provenance, versions
from spinlock.config import VQVAEConfig
from spinlock.evaluation.final_metrics import final_metrics
from spinlock.initialization.neighbor_interpolation import interpolate_neighbors
from spinlock.initialization.network import initialize_closed_form, initialize_random
from spinlock.io.feature_table import FeatureTable
from spinlock.model import build_network
from spinlock.preprocessing.training_data import read_table
from spinlock.runtime.device import choose_device, current_device
from spinlock.runtime.isolation import isolated
from spinlock.runtime.memory import trim_heap
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.training.batches import extent_rows
from spinlock.training.callbacks import Callback
from spinlock.training.optimization.optimizer import make_optimizer
from spinlock.training.optimization.weight_average import averaged_copy
from spinlock.training.plan import Plan, make_plan
from spinlock.training.resuming import resume_run, with_stored_limit
from spinlock.training.run import Run, TrainingState
from spinlock.training.trainer import Trainer


@dataclass(frozen=True)
class FitResult:
    """Result of :func:`fit`: the plan and the run. A dry run has no run, unless it would resume one."""

    plan: Plan
    run: Run | None


@isolated()
def fit(
    config: VQVAEConfig,
    table: FeatureTable | None = None,
    callbacks: Sequence[Callback] = (),
    *,
    dry_run: bool = False,
    command_line: str = "spinlock.training.fit",
    group: ProcessGroup = SINGLE,
) -> FitResult:
    """Train a tokenizer, or resume the run that ``config.resume_from`` names.

    Nothing is written unless :class:`~spinlock.training.callbacks.SaveCheckpoints` is among the callbacks.

    Parameters
    ----------
    config
        Configuration of the run.
    table
        Feature table. The default is the table that the configuration names.
    callbacks
        Callbacks, which every process calls in this order.
    dry_run
        Whether to return after the plan.
    command_line
        Command line or function that started the run, for its provenance.
    group
        Processes that train together. Each of them calls this function.

    Returns
    -------
    FitResult

    Raises
    ------
    DataError
        The table cannot be trained on, the device does not exist, or an argument has a wrong type.
    CheckpointError
        The checkpoint to resume from cannot be read, or does not match the configuration or the table.
    OutputError
        A file of the run cannot be written, or another process writes to the same directory.
    RunError
        A loss or weight is not finite, the memory of the device is exhausted, or another process has ended.
    """
    callbacks = checked_items("callbacks", callbacks, Callback)
    device = choose_device(config.device, local_rank=group.local_rank, local_world_size=group.local_world_size)
    directory = RunDirectory(config.output_dir, config.checkpoint_dir)
    with current_device(device), _sessions(directory, () if dry_run else callbacks, group):
        run = None
        if config.resume_from is not None:
            run = _resume(config.resume_from, config, table, device, group)
            plan = run.plan
        else:
            table = read_table(config, device, group) if table is None else table
            plan = make_plan(table, config, device=device, group=group)
        for callback in callbacks:
            callback.on_plan(plan)
        if not dry_run:
            run = start(plan, command_line=command_line, group=group) if run is None else run
            train(run, callbacks)
        return FitResult(plan, run)


@isolated()
def start(plan: Plan, *, command_line: str = "spinlock.training.fit", group: ProcessGroup = SINGLE) -> Run:
    """Create the state of epoch 0. The main process initializes the network for all processes.

    Parameters
    ----------
    plan
        Plan of the run.
    command_line
        Command line or function that started the run, for its provenance.
    group
        Processes that train together.

    Returns
    -------
    Run
    """
    config, device = plan.config, plan.data.train.device
    model = build_network(plan.spec, learned_codes=not config.use_ema, seed=config.random_seed).to(device)
    if group.is_main:
        rows, rows_per_batch = plan.fit_rows().rows, plan.batch_plan.batch
        augmented = interpolate_neighbors(rows, config.random_seed).flatten(0, 1)
        if config.warm_start:
            ridge, seed = plan.selection.ridge, config.random_seed
            initialize_closed_form(model, augmented, ridge=ridge, rows_per_batch=rows_per_batch, seed=seed)
        else:
            initialize_random(model, rows, rows_per_batch=rows_per_batch, seed=config.random_seed)
        plan.assignment.initialize(model, augmented)
    group.broadcast_(list(model.state_dict().values()))
    progress = Progress(planned_steps=plan.total_steps, extent=group.broadcast_object(extent_rows(plan.data)))
    optimizer = make_optimizer(model, config.learning_rate, plan.fit_rows().rows, group)
    provenance = Provenance(
        versions=versions(),
        command_line=command_line,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seeds={"split_seed": config.split_seed, "random_seed": config.random_seed},
    )
    return Run(plan, TrainingState(model, averaged_copy(model), optimizer, progress, History(), {}), provenance, group)


@isolated()
def train(run: Run, callbacks: Sequence[Callback] = ()) -> None:
    """Train a run to its end and compute its final metrics, or train it until a callback stops it.

    Parameters
    ----------
    run
        Run from :func:`start` or :func:`~spinlock.training.resuming.resume_run`. The function sets its attributes
        ``end_reason`` and ``metrics``.
    callbacks
        Callbacks, which are called in this order.
    """
    with current_device(run.plan.data.train.device), _started(run, callbacks):
        run.end_reason = Trainer(run, callbacks).train()
        trim_heap()
        if run.group.is_main and not run.stopped:
            run.metrics = final_metrics(run.best_model(), run.plan.data)


def _resume(
    path: Path, config: VQVAEConfig, table: FeatureTable | None, device: torch.device, group: ProcessGroup
) -> Run:
    """Resume the latest checkpoint of the run that ``path`` names."""
    checkpoint, note = latest_checkpoint(path)
    if table is None:
        table = read_table(with_stored_limit(config, checkpoint), device, group)
    run = resume_run(checkpoint, table, config, device=device, group=group)
    run.notes = (note, *run.notes) if note else run.notes
    return run


@contextmanager
def _sessions(directory: RunDirectory, callbacks: Sequence[Callback], group: ProcessGroup) -> Iterator[None]:
    """Enter the sessions of all callbacks for a ``with`` block."""
    with ExitStack() as stack:
        for callback in callbacks:
            stack.enter_context(callback.session(directory, group))
        yield


@contextmanager
def _started(run: Run, callbacks: Sequence[Callback]) -> Iterator[None]:
    """Call ``on_start`` of all callbacks and finally, also after an error, ``on_end`` of those that were started.

    The first error is raised. Later ones, of other callbacks, are its notes.
    """
    started: list[Callback] = []
    failure: BaseException | None = None
    try:
        for callback in callbacks:
            started.append(callback)
            callback.on_start(run)
        yield
    except BaseException as error:
        failure = error
    for callback in started:
        try:
            callback.on_end(run)
        except BaseException as error:
            if failure is None:
                failure = error
            else:
                failure.add_note(f"{type(callback).__name__}.on_end also failed: {error!r}")
    if failure is not None:
        raise failure
