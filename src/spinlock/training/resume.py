"""Going on with a run: which checkpoint got furthest, what may change, and the state to go on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spinlock.categories import load_mapping
from spinlock.checkpoint.content import Fixed
from spinlock.checkpoint.directory import BEST, LAST
from spinlock.checkpoint.file import Checkpoint, load_checkpoint, load_weights
from spinlock.checkpoint.provenance import dataset_identity, run_identity
from spinlock.config import VQVAEConfig
from spinlock.errors import CheckpointError
from spinlock.model import CategoricalVQVAE
from spinlock.preprocessing.split import Split, rows_of
from spinlock.preprocessing.training_data import FeatureTable, make_training_data
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.training.batches import batch_plan, extent_rows
from spinlock.training.compilation import CompilePlan, usable
from spinlock.training.history import History
from spinlock.training.optimizer import make_optimizer
from spinlock.training.run import Run, validator
from spinlock.training.state import Progress, TrainingState
from spinlock.training.validation import ValidationResult

MAY_DIFFER = frozenset(
    {
        "input_path",
        "output_dir",
        "resume_from",
        "epochs",
        "learning_rate",
        "device",
        "use_torch_compile",
        "verbose",
        "checkpoint_dir",
        "save_every",
        "early_stopping_patience",
        "early_stopping_min_delta",
    }
)
"""Keys that a resumed run may change; the dataset is compared by content, not by path."""

SILENT = frozenset({"input_path", "output_dir", "resume_from", "checkpoint_dir", "verbose", "use_torch_compile"})
"""Of these, what is not worth a line when it changes."""


def resumed_run(
    checkpoint: Checkpoint,
    table: FeatureTable,
    config: VQVAEConfig,
    *,
    device: torch.device,
    command_line: str,
    group: ProcessGroup = SINGLE,
) -> Run:
    """The run of a checkpoint, at the step where it was saved, under a configuration that may extend it.

    Raises:
        CheckpointError: another dataset, or a configuration or mapping file that differs where it may not.
    """
    content = checkpoint.content
    if content["dataset"] != dataset_identity(table):
        raise CheckpointError(
            f"was trained on another dataset than {table.path}",
            where=str(checkpoint.path),
            remedy="pass the same --input, or start a new run",
        )
    differing = differences(content, config)
    refused = {key: pair for key, pair in differing.items() if key not in MAY_DIFFER}
    if refused:
        listed = ", ".join(f"{key} (was {old!r}, is {new!r})" for key, (old, new) in refused.items())
        raise CheckpointError(
            f"the configuration differs from the run's: {listed}",
            where=str(checkpoint.path),
            remedy="undo the change, or start a new run",
        )
    _check_mapping(checkpoint, table, config)
    stored = to_split(content)
    data = make_training_data(table, stored, checkpoint.cleaner(), checkpoint.config, device)
    saved = content["training_state"]
    model = CategoricalVQVAE(checkpoint.spec, learned_codes=not config.use_ema)
    load_weights(model, saved["weights"], checkpoint.path)
    model = model.to(device)
    optimizer = make_optimizer(model, config.learning_rate, warm=config.warm_start)
    try:
        optimizer.load_state_dict(content["optimizer_state_dict"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        what = "optimizer_state_dict does not fit its own weights"
        raise CheckpointError(what, where=str(checkpoint.path)) from error
    torch.set_rng_state(saved["random"]["torch"])
    state = TrainingState(
        model,
        optimizer,
        Progress(**saved["progress"]),
        History(content["history"]),
        {name: tensor.to(device) for name, tensor in content["model_state_dict"].items()},
        ValidationResult(**saved["best_validation"], errors=content["validation_errors"]),
    )
    if state.progress.planned_steps == 0:  # no epoch was asked for so far: the schedule starts here
        state.progress.planned_steps = config.epochs * batch_plan(data, config).steps
    if state.progress.extent == 0:  # the table was held so far, by a version that did not write that down
        state.progress.extent = group.broadcast_object(extent_rows(data))
    resolved = checkpoint.config.model_copy(update={key: getattr(config, key) for key in MAY_DIFFER})
    fixed = Fixed(
        config=resolved,
        requested=content["requested_config"] | {key: config.model_dump(mode="json")[key] for key in MAY_DIFFER},
        data=data,
        spec=checkpoint.spec,
        compile_plan=usable(
            CompilePlan(**saved["compile"]), wanted=config.use_torch_compile, processes=group.world_size
        ),
        discovery=content["discovery"],
        command_line=command_line,
        started=content["provenance"]["started"],
    )
    told = {key: pair for key, pair in differing.items() if key not in SILENT}
    return Run(fixed, state, validator(data, resolved), {}, told, group)


def as_before(config: VQVAEConfig, checkpoint: Checkpoint) -> VQVAEConfig:
    """The configuration with what it leaves to the machine decided as when the run began."""
    if config.max_table_mb is not None:
        return config
    return config.model_copy(update={"max_table_mb": checkpoint.config.max_table_mb})


def _check_mapping(checkpoint: Checkpoint, table: FeatureTable, config: VQVAEConfig) -> None:
    """Refuse a mapping file that no longer says what the run's categories are: its path alone would not tell."""
    path, groups = config.category_mapping_file, checkpoint.content["group_indices"]
    if config.category_assignment == "auto" or path is None:
        return
    kept = {column for group in groups.values() for column in group}
    mapping = {name: kept.intersection(columns) for name, columns in load_mapping(path, table.names).items()}
    changed = [name for name, columns in mapping.items() if columns != set(groups.get(name, ()))]
    if changed:
        raise CheckpointError(
            f"the mapping file {path} differs from the run's in {', '.join(changed)}",
            where=str(checkpoint.path),
            remedy="undo the change, or start a new run",
        )


def differences(content: Mapping[str, Any], config: VQVAEConfig) -> dict[str, tuple[Any, Any]]:
    """{key: (old, new)} where a configuration is neither the requested nor the resolved one of a checkpoint."""
    requested, resolved = content["requested_config"], content["config"]
    return {
        key: (requested.get(key), value)
        for key, value in config.model_dump(mode="json").items()
        if value not in (requested.get(key), resolved.get(key))
    }


def to_split(content: Mapping[str, Any]) -> Split:
    """The stored split."""
    operators = {side: content["split_operators"][side].long().numpy() for side in ("train", "validation")}
    rows = {side: rows_of(operators[side], content["dataset"]["rows_per_operator"]) for side in operators}
    return Split(rows["train"], rows["validation"], operators["train"], operators["validation"])


@dataclass(frozen=True)
class Found:
    """A checkpoint to go on from, and a remark if it is not the one that was named."""

    checkpoint: Checkpoint
    note: str = ""


def furthest_checkpoint(path: Path) -> Found:
    """The checkpoint to go on from: the one named, or the other one of the same run if that got further.

    Raises:
        CheckpointError: a directory without a checkpoint, or one that cannot be read.
    """
    named = path
    if path.is_dir():
        present = [path / name for name in (LAST, BEST) if (path / name).exists()]
        if not present:
            raise CheckpointError(
                "holds neither last.pt nor best_model.pt", where=str(path), remedy="name a checkpoint"
            )
        named = present[0]
    checkpoint = load_checkpoint(named)
    other = _counterpart(checkpoint)
    if not other.exists():
        return Found(checkpoint)
    later = load_checkpoint(other)
    same = run_identity(later.content) == run_identity(checkpoint.content)
    if not same or _steps_done(later) <= _steps_done(checkpoint):
        return Found(checkpoint)
    return Found(later, f"{other} of the same run got further than {named}: going on from there")


def _counterpart(checkpoint: Checkpoint) -> Path:
    """The last.pt that belongs to a best_model.pt, or the other way round: a kill may leave either one ahead."""
    path, config = checkpoint.path, checkpoint.content["config"]
    if path.name == LAST:
        return (Path(config["output_dir"]) if config["checkpoint_dir"] else path.parent) / BEST
    return Path(config["checkpoint_dir"] or path.parent) / LAST


def _steps_done(checkpoint: Checkpoint) -> int:
    return int(checkpoint.content["training_state"]["progress"]["step"])
