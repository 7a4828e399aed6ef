"""Training from a table to a finished run: plan -> start -> loop -> evaluate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from spinlock.checkpoint.history import History
from spinlock.checkpoint.progress import Progress
from spinlock.checkpoint.provenance import Provenance, versions
from spinlock.config import VQVAEConfig
from spinlock.evaluation.final_metrics import final_metrics
from spinlock.initialization.neighbor_interpolation import interpolate_neighbors
from spinlock.initialization.network import initialize_closed_form, initialize_random
from spinlock.io.feature_table import FeatureTable
from spinlock.model import build_network
from spinlock.preprocessing.training_data import read_table
from spinlock.runtime.device import choose_device
from spinlock.runtime.memory import trim_heap
from spinlock.runtime.precision import default_precision
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.training.batches import extent_rows
from spinlock.training.callbacks import Callback
from spinlock.training.optimizer import make_optimizer
from spinlock.training.plan import Plan, make_plan
from spinlock.training.resume import furthest_checkpoint, resume_run, with_stored_limit
from spinlock.training.run import Run, TrainingState
from spinlock.training.trainer import Trainer


@dataclass(frozen=True)
class Fit:
    """The outcome of :func:`fit`: the plan, and the run. A dry run has a run only if it would be resumed."""

    plan: Plan
    run: Run | None


@default_precision()
def fit(
    config: VQVAEConfig,
    table: FeatureTable | None = None,
    callbacks: Sequence[Callback] = (),
    *,
    dry_run: bool = False,
    command_line: str = "spinlock.training.fit",
    group: ProcessGroup = SINGLE,
) -> Fit:
    """Train a tokenizer, or resume the run that ``config.resume_from`` names.

    Nothing is written unless :class:`~spinlock.training.callbacks.SaveCheckpoints` is among the callbacks.

    Parameters
    ----------
    config
        The configuration.
    table
        The feature table. The default is the table that the configuration names.
    callbacks
        Called in this order by every process.
    dry_run
        Stop after the plan.
    command_line
        How the run was started, for its provenance.
    group
        The processes that train together; each of them calls this function.

    Returns
    -------
    Fit

    Raises
    ------
    DataError
        The table cannot be trained on, or the device does not exist.
    CheckpointError
        The run to resume cannot be read, or differs from the configuration or the table.
    RunError
        A loss is no longer finite, the memory of the device is exhausted, or another process ended.
    """
    device = choose_device(config.device, local_rank=group.local_rank, local_world_size=group.local_world_size)
    run: Run | None = None
    if config.resume_from is not None:
        run = _resume(config.resume_from, config, table, device, group)
        plan = run.plan
    else:
        table = read_table(config, device, group) if table is None else table
        plan = make_plan(table, config, device=device, group=group)
    for callback in callbacks:
        callback.on_plan(plan)
    if dry_run:
        return Fit(plan, run)
    run = start(plan, command_line=command_line, group=group) if run is None else run
    train(run, callbacks)
    return Fit(plan, run)


@default_precision()
def start(plan: Plan, *, command_line: str = "spinlock.training.fit", group: ProcessGroup = SINGLE) -> Run:
    """Build and initialize the network in the main process, and make the state of epoch 0.

    Parameters
    ----------
    plan
        The plan of the run.
    command_line
        How the run was started, for its provenance.
    group
        The processes that train together.
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
    optimizer = make_optimizer(model, config.learning_rate, scaled=config.warm_start)
    provenance = Provenance(
        versions=versions(),
        command_line=command_line,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seeds={"split_seed": config.split_seed, "random_seed": config.random_seed},
    )
    return Run(plan, TrainingState(model, optimizer, progress, History(), {}), provenance, group)


@default_precision()
def train(run: Run, callbacks: Sequence[Callback] = ()) -> None:
    """Train a run to its end and measure its final metrics, or train it until it is asked to stop.

    Parameters
    ----------
    run
        A run from :func:`start` or :func:`~spinlock.training.resume.resume_run`. Its attributes ``end_reason``,
        ``stopped`` and ``metrics`` tell how it ended.
    callbacks
        Called in this order.
    """
    with _notifying(run, callbacks):
        run.end_reason = Trainer(run, callbacks).train()
        trim_heap()
        if run.group.is_main and not run.stopped:
            run.metrics = final_metrics(run.best_model(), run.plan.data)


def _resume(
    path: Path, config: VQVAEConfig, table: FeatureTable | None, device: torch.device, group: ProcessGroup
) -> Run:
    checkpoint, note = furthest_checkpoint(path)
    if table is None:
        table = read_table(with_stored_limit(config, checkpoint), device, group)
    run = resume_run(checkpoint, table, config, device=device, group=group)
    run.notes = (note, *run.notes) if note else run.notes
    return run


@contextmanager
def _notifying(run: Run, callbacks: Sequence[Callback]) -> Iterator[None]:
    """Call ``on_start`` of all callbacks, and ``on_end`` of those that were started, also after an error."""
    started: list[Callback] = []
    try:
        for callback in callbacks:
            started.append(callback)
            callback.on_start(run)
        yield
    finally:
        for callback in started:
            callback.on_end(run)
