"""A training run from a configuration to its files: a new one, or one that goes on."""

from __future__ import annotations

import hashlib
import io
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spinlock import __version__
from spinlock.config import VQVAEConfig, dump_config
from spinlock.data.files import write_files
from spinlock.data.split import Split
from spinlock.errors import CheckpointError
from spinlock.model import CategoricalVQVAE, ModelSpec
from spinlock.model.inference import encode_rows
from spinlock.training.checkpoint import (
    FORMAT_VERSION,
    KIND,
    Checkpoint,
    load_checkpoint,
    load_weights,
    to_bytes,
    to_tensors,
)
from spinlock.training.compilation import CompilePlan, usable
from spinlock.training.directory import (
    BEST,
    HISTORY,
    HISTORY_LINES,
    LAST,
    RESOLVED,
    STATISTICS,
    best_path,
    last_path,
    remove_leftovers,
)
from spinlock.training.history import History
from spinlock.training.prepare import CleanedTable, Prepared, Table, apply_cleaning, resolved_config
from spinlock.training.schedule import BatchPlan
from spinlock.training.stopping import StopRequest
from spinlock.training.trainer import (
    Observer,
    Progress,
    Save,
    Trainer,
    TrainingState,
    make_optimizer,
    out_of_memory,
)
from spinlock.training.validation import ValidationResult, Validator
from spinlock.training.warm_start import random_start, warm_start

MAY_DIFFER = frozenset(
    {
        "input_path",
        "output_dir",
        "resume_from",
        "epochs",
        "learning_rate",
        "device",
        "verbose",
        "checkpoint_dir",
        "save_every",
        "early_stopping_patience",
        "early_stopping_min_delta",
    }
)
"""Keys that a resumed run may change; the dataset is compared by content, not by path."""

SILENT = frozenset({"input_path", "output_dir", "resume_from", "checkpoint_dir", "verbose"})
"""Of these, what is not worth a line when it changes."""


@dataclass(frozen=True)
class Fixed:
    """What does not change during a run and is stored with it."""

    config: VQVAEConfig
    requested: dict[str, Any]
    data: CleanedTable
    spec: ModelSpec
    compile_plan: CompilePlan
    discovery: dict[str, Any]
    command_line: str
    started: str


@dataclass
class Run:
    """A run ready to train: what is fixed, and its state."""

    fixed: Fixed
    state: TrainingState
    validator: Validator
    metrics: dict[str, Any]
    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def train(self, observer: Observer, stop: StopRequest, *, save: Save | None = None) -> str | None:
        """Train to the end or until asked to stop; returns why it ended early, or None.

        ``save`` replaces the writing of files.
        """
        if save is None:
            self.claim_directory()
        trainer = Trainer(
            self.state,
            self.fixed.data.train,
            self.validator,
            self.fixed.config,
            compiled=self.fixed.compile_plan.compile,
            observer=observer,
            save=save or self.save,
            stop=stop,
        )
        return trainer.run()

    def best_model(self) -> CategoricalVQVAE:
        """The best model so far, in eval mode."""
        model = CategoricalVQVAE(self.fixed.spec, learned_codes=not self.fixed.config.use_ema)
        model.load_state_dict(self.state.best_weights)
        return model.to(self.fixed.data.train.device).eval()

    def save(self, state: TrainingState, best: bool) -> None:
        """Write last.pt and the history, and before them best_model.pt when the state is the best so far.

        In this order a kill between two files leaves a pair from which the run ends the same.
        """
        config, content = self.fixed.config, to_bytes(self.content(state))
        files = {best_path(config): content} if best else {}
        write_files(files | {last_path(config): content} | self.side_files(state))

    def claim_directory(self) -> None:
        """Remove what a killed process left; a resumed run also puts its best model there, unless it is there already.

        It is not there when the run goes on in another directory, or when the process was killed between two files.
        """
        config, progress = self.fixed.config, self.state.progress
        remove_leftovers(config)
        if progress.best_epoch >= 0 and not self._holds_best(best_path(config)):
            write_files({best_path(config): to_bytes(self.content(self.state))})

    def _holds_best(self, path: Path) -> bool:
        if not path.exists():
            return False
        try:
            found = load_checkpoint(path).content
        except CheckpointError:
            return False
        same_epoch = found["training_state"]["progress"]["best_epoch"] == self.state.progress.best_epoch
        return same_epoch and run_identity(found) == run_identity(self.content(self.state))

    def finish(self, metrics: Mapping[str, Any]) -> None:
        """Store the final metrics of the best model in both checkpoints."""
        self.metrics = dict(metrics)
        best, last = best_path(self.fixed.config), last_path(self.fixed.config)
        content = load_checkpoint(best).content | {"metrics": to_tensors(self.metrics)}
        write_files({best: to_bytes(content), last: to_bytes(self.content(self.state))} | self.side_files(self.state))

    def side_files(self, state: TrainingState) -> dict[Path, bytes]:
        """History, normalisation statistics and resolved configuration."""
        output = self.fixed.config.output_dir
        return {
            output / STATISTICS: self._statistics(),
            output / RESOLVED: dump_config(self.fixed.config.model_copy(update={"resume_from": None})).encode(),
            output / HISTORY: state.history.to_json(),
            output / HISTORY_LINES: state.history.to_jsonl(),
        }

    def content(self, state: TrainingState) -> dict[str, Any]:
        """Everything a checkpoint holds."""
        fixed, table, cleaner = self.fixed, self.fixed.data.table, self.fixed.data.cleaner
        is_best = state.progress.best_epoch == state.progress.epoch and state.progress.step_in_epoch == 0
        best = {name: tensor.cpu() for name, tensor in state.best_weights.items()}
        current = {name: tensor.detach().cpu() for name, tensor in state.model.state_dict().items()}
        metrics = self.metrics or ({} if state.best_validation is None else state.best_validation.named())
        content = {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "model_state_dict": best,
            "optimizer_state_dict": state.optimizer.state_dict(),
            "group_indices": {
                name: [int(cleaner.kept[j]) for j in group]
                for name, group in zip(fixed.spec.category_names, fixed.spec.groups, strict=True)
            },
            "normalization_stats": self._category_statistics(),
            "feature_names": list(table.names),
            "dropped_features": cleaner.dropped,
            "config": fixed.config.model_dump(mode="json"),
            "requested_config": fixed.requested,
            "history": state.history.columns,
            "val_loss": state.progress.best_loss,
            "metrics": metrics,
            "model_spec": fixed.spec.state(),
            "cleaner": cleaner.state(),
            "split": {"train": fixed.data.split.train, "validation": fixed.data.split.validation},
            "split_operators": {
                "train": fixed.data.split.train_operators,
                "validation": fixed.data.split.validation_operators,
            },
            "dataset": dataset_identity(table),
            "discovery": fixed.discovery,
            "validation_errors": self._validation_errors(),
            "training_state": {
                "weights": best if is_best else current,
                "progress": state.progress.state(),
                "best_validation": None if state.best_validation is None else asdict(state.best_validation),
                "compile": asdict(fixed.compile_plan),
                "random": {"seed": fixed.config.random_seed, "torch": torch.get_rng_state()},
                "environment": environment(fixed.data.train.device),
            },
            "provenance": {
                "versions": versions(),
                "command_line": fixed.command_line,
                "started": fixed.started,
                "seeds": {"split_seed": fixed.config.split_seed, "random_seed": fixed.config.random_seed},
            },
        }
        return dict(to_tensors(content))

    def _validation_errors(self) -> torch.Tensor:
        errors = encode_rows(self.best_model(), self.fixed.data.validation).error
        return errors.sort().values.cpu()

    def _category_statistics(self) -> dict[str, dict[str, Any]]:
        cleaner, spec = self.fixed.data.cleaner, self.fixed.spec
        return {
            name: {"mean": cleaner.mean[list(group)], "std": cleaner.std[list(group)]}
            for name, group in zip(spec.category_names, spec.groups, strict=True)
        }

    def _statistics(self) -> bytes:
        arrays = {
            f"{name}_{key}": values
            for name, statistics in self._category_statistics().items()
            for key, values in statistics.items()
        }
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()


def new_run(
    prepared: Prepared, config: VQVAEConfig, compile_plan: CompilePlan, *, device: torch.device, command_line: str
) -> Run:
    """Build the model, start it (warm or at random) and make the state of epoch 0."""
    spec, data, config = prepared.spec, prepared.data, resolved_config(config, prepared)
    plan = BatchPlan.of(len(data.train), config.batch_size)
    model = CategoricalVQVAE(spec, learned_codes=not config.use_ema, seed=config.random_seed)
    try:
        model = model.to(device)
        if config.warm_start:
            warm_start(
                model, prepared.fit_rows, ridge=prepared.sizes.ridge, rows_per_batch=plan.batch, seed=config.random_seed
            )
        else:
            random_start(model, prepared.fit_rows, rows_per_batch=plan.batch, seed=config.random_seed)
    except torch.OutOfMemoryError:
        raise out_of_memory(plan.batch) from None
    progress = Progress(planned_steps=config.epochs * plan.steps)
    state = TrainingState(
        model, make_optimizer(model, config.learning_rate, warm=config.warm_start), progress, History(), {}
    )
    fixed = Fixed(
        config=config,
        requested=prepared.requested.model_dump(mode="json"),
        data=data,
        spec=spec,
        compile_plan=compile_plan,
        discovery=discovery_record(prepared),
        command_line=command_line,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Run(fixed, state, validator(data, config), {})


def resumed_run(
    checkpoint: Checkpoint, table: Table, config: VQVAEConfig, *, device: torch.device, command_line: str
) -> Run:
    """The run of a checkpoint, at the step where it was saved, under a configuration that may extend it.

    Raises:
        CheckpointError: another dataset, or a configuration that differs where it may not.
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
    stored = to_split(content)
    data = apply_cleaning(table, stored, checkpoint.cleaner(), device)
    saved = content["training_state"]
    model = CategoricalVQVAE(checkpoint.spec, learned_codes=not config.use_ema)
    load_weights(model, saved["weights"], checkpoint.path)
    model = model.to(device)
    optimizer = make_optimizer(model, config.learning_rate, warm=config.warm_start)
    optimizer.load_state_dict(content["optimizer_state_dict"])
    torch.set_rng_state(saved["random"]["torch"])
    best = saved["best_validation"]
    state = TrainingState(
        model,
        optimizer,
        Progress(**saved["progress"]),
        History(content["history"]),
        {name: tensor.to(device) for name, tensor in content["model_state_dict"].items()},
        None if best is None else ValidationResult(**best),
    )
    if state.progress.planned_steps == 0:  # no epoch was asked for so far: the schedule starts here
        state.progress.planned_steps = config.epochs * BatchPlan.of(len(data.train), config.batch_size).steps
    resolved = checkpoint.config.model_copy(update={key: getattr(config, key) for key in MAY_DIFFER})
    fixed = Fixed(
        config=resolved,
        requested=content["requested_config"] | {key: config.model_dump(mode="json")[key] for key in MAY_DIFFER},
        data=data,
        spec=checkpoint.spec,
        compile_plan=usable(CompilePlan(**saved["compile"])),
        discovery=content["discovery"],
        command_line=command_line,
        started=content["provenance"]["started"],
    )
    told = {key: pair for key, pair in differing.items() if key not in SILENT}
    return Run(fixed, state, validator(data, resolved), {}, told)


def validator(data: CleanedTable, config: VQVAEConfig) -> Validator:
    """The validator of a run."""
    return Validator(data.validation, data.cleaner, config, block=config.val_batch_size)


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
    rows, operators = content["split"], content["split_operators"]
    return Split(
        train=rows["train"].numpy(),
        validation=rows["validation"].numpy(),
        train_operators=operators["train"].numpy(),
        validation_operators=operators["validation"].numpy(),
    )


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


def run_identity(content: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the checkpoints of one run have in common, also when it went on under another command line or version."""
    provenance = content["provenance"]
    return content["dataset"], content["model_spec"], provenance["seeds"], provenance["started"]


def _steps_done(checkpoint: Checkpoint) -> int:
    return int(checkpoint.content["training_state"]["progress"]["step"])


def dataset_identity(table: Table) -> dict[str, Any]:
    """What makes two tables the same: content, names and shape."""
    return {
        "sha256": table.sha256,
        "names_sha256": hashlib.sha256("\n".join(table.names).encode()).hexdigest(),
        "family": table.family,
        "feature_type": table.feature_type,
        "num_operators": table.num_operators,
        "rows_per_operator": table.rows_per_operator,
    }


def discovery_record(prepared: Prepared) -> dict[str, Any]:
    """The scores over K of every candidate partition, and the expectations the sizes were chosen by."""
    found, sizes = prepared.categories.discovery, prepared.sizes
    return {
        "target": found.target,
        "meets_target": found.meets_target,
        "chosen": found.chosen.summary(),
        "candidates": [candidate.summary() for candidate in found.candidates],
        "ridge": sizes.ridge,
        "expected_quality": sizes.quality,
        "expected_utilization": sizes.utilization,
    }


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    return {
        "spinlock": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def environment(device: torch.device) -> dict[str, Any]:
    """What bit-equality of a resumed run depends on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return versions() | {"device": device.type, "device_name": name, "threads": torch.get_num_threads()}
