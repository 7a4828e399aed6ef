"""A training run from a configuration to its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from spinlock.checkpoint.content import Fixed, checkpoint_content, discovery_record, statistics_file
from spinlock.checkpoint.directory import (
    HISTORY,
    HISTORY_LINES,
    RESOLVED,
    STATISTICS,
    best_path,
    last_path,
    remove_leftovers,
)
from spinlock.checkpoint.file import (
    load_checkpoint,
    to_bytes,
    to_tensors,
)
from spinlock.checkpoint.provenance import run_identity
from spinlock.config import VQVAEConfig, dump_config
from spinlock.errors import CheckpointError
from spinlock.initialization.joint_codes import fit_joint
from spinlock.initialization.neighbor_interpolation import interpolate_neighbors
from spinlock.initialization.network import closed_form_start, random_start
from spinlock.io.atomic import write_files
from spinlock.model import CategoricalVQVAE
from spinlock.preprocessing.training_data import TrainingData
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.training.batches import batch_plan, extent_rows, trim_heap
from spinlock.training.compilation import CompilePlan
from spinlock.training.history import History
from spinlock.training.observer import Observer
from spinlock.training.optimizer import make_optimizer
from spinlock.training.prepare import Prepared, resolved_config
from spinlock.training.state import Progress, Save, TrainingState
from spinlock.training.stopping import StopRequest
from spinlock.training.trainer import Trainer
from spinlock.training.validation import Validator


@dataclass
class Run:
    """A run ready to train: what is fixed, and its state."""

    fixed: Fixed
    state: TrainingState
    validator: Validator
    metrics: dict[str, Any]
    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    group: ProcessGroup = SINGLE

    def train(self, observer: Observer, stop: StopRequest, *, save: Save | None = None) -> str | None:
        """Train to the end or until asked to stop; returns why it ended early, or None.

        ``save`` replaces the writing of files. With several processes all of them train, and the first one saves.
        """
        if not self.group.is_main:
            save = _save_nothing
        elif save is None:
            self.claim_directory()
        trainer = Trainer(
            self.state,
            self.fixed.data,
            self.validator,
            self.fixed.config,
            compiled=self.fixed.compile_plan.compile,
            observer=observer,
            save=save or self.save,
            stop=stop,
            group=self.group,
        )
        reason = trainer.run()
        trim_heap()
        return reason

    def best_model(self) -> CategoricalVQVAE:
        """The best model so far, in eval mode."""
        model = CategoricalVQVAE(self.fixed.spec, learned_codes=not self.fixed.config.use_ema)
        model.load_state_dict(self.state.best_weights)
        return model.to(self.fixed.data.train.device).eval()

    def save(self, state: TrainingState, best: bool) -> None:
        """Write last.pt and the history, and before them best_model.pt when the state is the best so far.

        In this order a kill between two files leaves a pair from which the run ends the same. The first save has
        last.pt first: where a run replaces another, a kill in between must not leave the other's last.pt to go on from.
        """
        config, content = self.fixed.config, to_bytes(self.content(state))
        best_file, last_file = {best_path(config): content} if best else {}, {last_path(config): content}
        files = last_file | best_file if len(state.history) == 1 else best_file | last_file
        write_files(files | self.side_files(state))

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
        """History, normalization statistics and resolved configuration."""
        output = self.fixed.config.output_dir
        history = {output / HISTORY: state.history.to_json(), output / HISTORY_LINES: state.history.to_jsonl()}
        return self._unchanging_files | history

    @cached_property
    def _unchanging_files(self) -> dict[Path, bytes]:
        config = self.fixed.config
        return {
            config.output_dir / STATISTICS: statistics_file(self.fixed),
            config.output_dir / RESOLVED: dump_config(config.model_copy(update={"resume_from": None})).encode(),
        }

    def content(self, state: TrainingState) -> dict[str, Any]:
        """Everything a checkpoint holds."""
        return checkpoint_content(self.fixed, state, self.metrics)


def new_run(
    prepared: Prepared,
    config: VQVAEConfig,
    compile_plan: CompilePlan,
    *,
    device: torch.device,
    command_line: str,
    group: ProcessGroup = SINGLE,
) -> Run:
    """Build the model, start it (warm or at random, in the first process) and make the state of epoch 0."""
    spec, data, config = prepared.spec, prepared.data, resolved_config(config, prepared)
    plan = batch_plan(data, config)
    model = CategoricalVQVAE(spec, learned_codes=not config.use_ema, seed=config.random_seed)
    model = model.to(device)
    if group.is_main:
        _start(model, prepared, config, plan.batch)
    group.broadcast_(list(model.state_dict().values()))
    progress = Progress(planned_steps=config.epochs * plan.steps, extent=group.broadcast_object(extent_rows(data)))
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
    return Run(fixed, state, validator(data, config), {}, group=group)


def _start(model: CategoricalVQVAE, prepared: Prepared, config: VQVAEConfig, batch: int) -> None:
    """The state of epoch 0."""
    rows = interpolate_neighbors(prepared.fit_rows, config.random_seed).flatten(0, 1)
    if config.warm_start:
        closed_form_start(model, rows, ridge=prepared.sizes.ridge, rows_per_batch=batch, seed=config.random_seed)
    else:
        random_start(model, prepared.fit_rows, rows_per_batch=batch, seed=config.random_seed)
    if model.joint is not None:
        fit_joint(model, rows)


def _save_nothing(state: TrainingState, best: bool) -> None:
    """The first process saves."""


def validator(data: TrainingData, config: VQVAEConfig) -> Validator:
    """The validator of a run."""
    return Validator(data.validation, data.cleaner, config, block=config.val_batch_size)
