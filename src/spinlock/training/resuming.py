"""Resuming of a run: check of dataset and configuration, and restoring of the state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from spinlock.categories import load_mapping
from spinlock.checkpoint.format import REMEDY
from spinlock.checkpoint.provenance import DatasetIdentity, environment
from spinlock.checkpoint.record import Checkpoint, load_weights
from spinlock.config import DataSettings, VQVAEConfig
from spinlock.config.section import identity_keys
from spinlock.errors import CheckpointError
from spinlock.io.feature_table import FeatureTable
from spinlock.model import build_network
from spinlock.preprocessing.training_data import make_training_data
from spinlock.runtime.compilation import adapt_to_machine
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.training.batches import extent_rows
from spinlock.training.losses.objective import LOSS_NAMES
from spinlock.training.optimization.optimizer import is_of_earlier_version, make_optimizer
from spinlock.training.optimization.weight_average import averaged_copy
from spinlock.training.plan import Plan
from spinlock.training.run import Run, TrainingState

CHANGEABLE = frozenset(VQVAEConfig.model_fields) - identity_keys(VQVAEConfig)
"""Keys that a resumed run may change. The dataset is compared by content, not by path."""

UNREPORTED = frozenset({"input_path", "output_dir", "resume_from", "checkpoint_dir", "verbose", "use_torch_compile"})
"""Changeable keys whose changes are not reported, because they are paths or have their own message."""


def resume_run(
    checkpoint: Checkpoint,
    table: FeatureTable,
    config: VQVAEConfig,
    *,
    device: torch.device | str = "cpu",
    group: ProcessGroup = SINGLE,
) -> Run:
    """Return the run of a checkpoint, restored at the step at which it was saved.

    Parameters
    ----------
    checkpoint
        Checkpoint of the run.
    table
        Feature table with which the run was started.
    config
        Configuration. Only the keys :data:`CHANGEABLE` may differ from those of the checkpoint.
    device
        Device of the resumed run.
    group
        Processes that train together. Their number may have changed.

    Raises
    ------
    CheckpointError
        The dataset, the categories of the mapping file, or a key that may not change has changed.
    """
    device = torch.device(device)
    _check_dataset(checkpoint, table)
    changes = _check_config(checkpoint, config)
    _check_mapping(checkpoint, table, config.category_mapping_file)
    resolved = checkpoint.config.model_copy(update={key: getattr(config, key) for key in CHANGEABLE})
    data = make_training_data(
        table,
        checkpoint.split,
        checkpoint.cleaner,
        fit_rows=resolved.fit_rows,
        seed=resolved.random_seed,
        device=device,
    )
    plan = Plan(
        config=resolved,
        requested=checkpoint.requested | config.model_dump(mode="json", include=set(CHANGEABLE)),
        data=data,
        spec=checkpoint.spec,
        selection=checkpoint.selection,
        compile_plan=adapt_to_machine(
            checkpoint.state.compile_plan, enabled=config.use_torch_compile, processes=group.world_size
        ),
        resumed=True,
    )
    state = _restore_state(checkpoint, plan, device, group)
    if state.progress.planned_steps == 0:  # the run had no epochs, so its schedule starts now
        state.progress.planned_steps = plan.total_steps
    if state.progress.extent == 0:  # the table was in memory
        state.progress.extent = group.broadcast_object(extent_rows(data))
    notes = (_position_note(checkpoint, config.epochs), *_environment_notes(checkpoint, device))
    return Run(plan, state, checkpoint.provenance, group, changes=changes, notes=notes)


def with_stored_limit(settings: DataSettings, checkpoint: Checkpoint) -> DataSettings:
    """Return the settings with the memory limit of the table with which the run was started."""
    if settings.max_table_mb is not None:
        return settings
    return settings.model_copy(update={"max_table_mb": checkpoint.config.max_table_mb})


def config_changes(checkpoint: Checkpoint, config: VQVAEConfig) -> dict[str, tuple[Any, Any]]:
    """Return {key: (old, new)} of all values that differ from both the requested and the resolved configuration."""
    requested, resolved = checkpoint.requested, checkpoint.config.model_dump(mode="json")
    return {
        key: (requested.get(key), value)
        for key, value in config.model_dump(mode="json").items()
        if value not in (requested.get(key), resolved.get(key))
    }


def _check_dataset(checkpoint: Checkpoint, table: FeatureTable) -> None:
    """Raise a :class:`CheckpointError` if the run was started with another dataset."""
    if checkpoint.dataset != DatasetIdentity.of(table):
        raise CheckpointError(
            f"was trained on another dataset than {table.path}",
            where=str(checkpoint.path),
            remedy="pass the same table, or start a new run",
        )


def _check_config(checkpoint: Checkpoint, config: VQVAEConfig) -> dict[str, tuple[Any, Any]]:
    """Return the changes of the configuration to report. A change of a key that may not change is an error."""
    changes = config_changes(checkpoint, config)
    refused = {key: change for key, change in changes.items() if key not in CHANGEABLE}
    if refused:
        listed = ", ".join(f"{key} (was {old!r}, is {new!r})" for key, (old, new) in refused.items())
        raise CheckpointError(
            f"the configuration differs from the run's: {listed}",
            where=str(checkpoint.path),
            remedy="undo the change, or start a new run",
        )
    return {key: change for key, change in changes.items() if key not in UNREPORTED}


def _check_mapping(checkpoint: Checkpoint, table: FeatureTable, path: Path | None) -> None:
    """Raise a :class:`CheckpointError` if the content of the mapping file does not match the categories of the run."""
    if path is None:
        return
    groups = checkpoint.category_columns
    kept = {column for group in groups.values() for column in group}
    mapping = {name: kept.intersection(columns) for name, columns in load_mapping(path, table.names).items()}
    changed = [name for name, columns in mapping.items() if columns != set(groups.get(name, ()))]
    if changed:
        raise CheckpointError(
            f"the mapping file {path} differs from the run's in {', '.join(changed)}",
            where=str(checkpoint.path),
            remedy="undo the change, or start a new run",
        )


def _restore_state(checkpoint: Checkpoint, plan: Plan, device: torch.device, group: ProcessGroup) -> TrainingState:
    """Restore the state of training, and the global random state of torch."""
    config, saved = plan.config, checkpoint.state
    _check_position(checkpoint, plan)
    model = build_network(checkpoint.spec, learned_codes=not config.use_ema)
    averaged = averaged_copy(model)
    load_weights(model, saved.weights, checkpoint.path)
    load_weights(averaged, saved.average, checkpoint.path)
    model, averaged = model.to(device), averaged.to(device)
    optimizer = make_optimizer(model, config.learning_rate, plan.fit_rows().rows, group)
    try:
        if not is_of_earlier_version(saved.optimizer):
            optimizer.load_state_dict(saved.optimizer)
    except ValueError as error:
        raise _damaged(checkpoint, f"optimizer_state_dict does not match the weights: {error}") from error
    torch.set_rng_state(saved.random_state)
    best = {name: tensor.to(device) for name, tensor in checkpoint.weights.items()}
    history = checkpoint.history.until(saved.progress.epoch)  # best_model.pt contains later epochs
    return TrainingState(model, averaged, optimizer, saved.progress, history, best, checkpoint.validation)


def _check_position(checkpoint: Checkpoint, plan: Plan) -> None:
    """Raise a :class:`CheckpointError` if the run was not saved at one of its steps."""
    progress, steps = checkpoint.state.progress, plan.batch_plan.steps
    done = progress.epoch * steps + progress.step_in_epoch
    for name, wrong, expected in (
        ("step_in_epoch", progress.step_in_epoch >= steps, f"fewer than {steps} steps"),
        ("step", progress.step != done, f"{done} steps after epoch {progress.epoch}"),
        ("losses", bool(progress.losses) and sorted(progress.losses) != LOSS_NAMES, ", ".join(LOSS_NAMES)),
    ):
        if wrong:
            raise _damaged(checkpoint, f"training_state.progress.{name} is {getattr(progress, name)}", expected)


def _damaged(checkpoint: Checkpoint, what: str, expected: str = "") -> CheckpointError:
    return CheckpointError(f"is damaged: {what}", where=str(checkpoint.path), expected=expected, remedy=REMEDY)


def _position_note(checkpoint: Checkpoint, epochs: int) -> str:
    progress = checkpoint.state.progress
    position = f", at step {progress.step_in_epoch} of epoch {progress.epoch + 1}" if progress.step_in_epoch else ""
    return f"resuming {checkpoint.path} after epoch {progress.epoch} of {epochs}{position}"


def _environment_notes(checkpoint: Checkpoint, device: torch.device) -> tuple[str, ...]:
    stored, current = checkpoint.state.environment, environment(device)
    differing = [key for key in current if stored.get(key) != current[key]]
    notes = []
    if is_of_earlier_version(checkpoint.state.optimizer):
        notes.append("note: the run is of an earlier version; its optimizer starts again, with other learning rates")
    if differing:
        changed = ", ".join(differing)
        notes.append(f"note: {changed} changed since the run was saved; results may differ by rounding errors")
    return tuple(notes)
