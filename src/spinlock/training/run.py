"""A run: its plan, its state, and the writing of its files."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spinlock.checkpoint.directory import CONFIG, HISTORY, HISTORY_LINES, STATISTICS, RunDirectory
from spinlock.checkpoint.file import load_checkpoint, to_bytes
from spinlock.checkpoint.history import History
from spinlock.checkpoint.progress import Progress, ValidationResult
from spinlock.checkpoint.provenance import DatasetIdentity, Provenance, environment
from spinlock.checkpoint.record import Checkpoint, SavedState
from spinlock.checkpoint.statistics import statistics_file
from spinlock.config import dump_config
from spinlock.errors import CheckpointError
from spinlock.io.atomic import write_files
from spinlock.model import CategoricalVQVAE, build_network
from spinlock.runtime.isolation import isolated
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.training.optimization.adam import Adam
from spinlock.training.plan import Plan


@dataclass
class TrainingState:
    """Everything that training changes.

    ``averaged`` has the moving average of the weights of ``model``. It is validated, and its weights can become the
    best weights.
    """

    model: CategoricalVQVAE
    averaged: CategoricalVQVAE
    optimizer: Adam
    progress: Progress
    history: History
    best_weights: dict[str, Tensor]
    best_validation: ValidationResult | None = None


@dataclass
class Run:
    """A run that is ready to train, is training, or has ended.

    Attributes
    ----------
    plan
        Everything that does not change: configuration, data, network specification and selection.
    state
        Everything that training changes.
    provenance
        How the run was started.
    group
        Processes that train together.
    metrics
        Final metrics; empty until the run is finished.
    changes
        For a resumed run, the changed keys of the configuration: {key: (old, new)}.
    notes
        Messages about the resuming of the run.
    stop_reason
        Reason of the first call of :meth:`stop`, or None.
    end_reason
        Reason why the run ended before the configured number of epochs, or None.
    """

    plan: Plan
    state: TrainingState
    provenance: Provenance
    group: ProcessGroup = SINGLE
    metrics: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    stop_reason: str | None = None
    end_reason: str | None = None

    def stop(self, reason: str) -> None:
        """Request the run to save its state and stop after the current step; only the first reason is stored."""
        self.stop_reason = self.stop_reason or reason

    @property
    def stopped(self) -> bool:
        """Whether the run ended because of :meth:`stop`, so that it can be resumed."""
        return self.end_reason is not None and self.end_reason == self.stop_reason

    @property
    def directory(self) -> RunDirectory:
        """Directory of the files of the run."""
        return RunDirectory(self.plan.config.output_dir, self.plan.config.checkpoint_dir)

    def best_model(self) -> CategoricalVQVAE:
        """Return the network with the best weights so far, in evaluation mode."""
        model = build_network(self.plan.spec, learned_codes=not self.plan.config.use_ema)
        model.load_state_dict(self.state.best_weights)
        return model.to(self.plan.data.train.device).eval()

    @isolated()
    def checkpoint(self) -> Checkpoint:
        """Return a checkpoint of the current state; epoch 0 has to be validated before."""
        plan, state, progress = self.plan, self.state, self.state.progress
        assert state.best_validation is not None, "epoch 0 is validated before anything is saved"
        best = {name: tensor.cpu() for name, tensor in state.best_weights.items()}
        current, average = (
            {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
            for model in (state.model, state.averaged)
        )
        is_best = progress.best_epoch == progress.epoch and progress.step_in_epoch == 0
        return Checkpoint(
            config=plan.config,
            requested=plan.requested,
            spec=plan.spec,
            weights=best,
            cleaner=plan.data.cleaner,
            split=plan.data.split,
            dataset=DatasetIdentity.of(plan.data.table),
            selection=plan.selection,
            history=state.history,
            metrics=self.metrics,
            validation=state.best_validation,
            state=SavedState(
                weights=current,
                average=best if is_best else average,
                optimizer=state.optimizer.state_dict(),
                progress=progress,
                compile_plan=plan.compile_plan,
                random_state=torch.get_rng_state(),
                environment=environment(plan.data.train.device),
            ),
            provenance=self.provenance,
        )

    def save(self, *, is_best: bool, overwrite: bool = True) -> None:
        """Write best_model.pt if the state is the best so far, then last.pt and the history.

        With this order, the run can be resumed with the same result if the process is killed between two files. The
        first save of a run writes last.pt first. Otherwise, if the run replaces another one, a killed process could
        leave the last.pt of the other run.
        """
        content = to_bytes(self.checkpoint())
        best, last = {self.directory.best: content} if is_best else {}, {self.directory.last: content}
        files = last | best if len(self.state.history) == 1 else best | last
        write_files(files | self._side_files(), overwrite=overwrite)

    def save_end(self) -> None:
        """Store the final metrics, if the run is finished, and the whole history in both checkpoints.

        The state of best_model.pt remains that of the best epoch, from which the run can be resumed.
        """
        best = replace(load_checkpoint(self.directory.best), metrics=self.metrics, history=self.state.history)
        files = {self.directory.best: to_bytes(best), self.directory.last: to_bytes(self.checkpoint())}
        write_files(files | self._side_files())

    def missing_best(self) -> dict[Path, bytes]:
        """Return {path: content} of best_model.pt of a resumed run if it is missing, or else nothing.

        It is missing if the run is resumed in another directory, or if the process was killed between two files.
        """
        if self.state.progress.best_epoch >= 0 and not self._is_best_of_this_run(self.directory.best):
            return {self.directory.best: to_bytes(self.checkpoint())}
        return {}

    def _is_best_of_this_run(self, path: Path) -> bool:
        if not path.exists():
            return False
        try:
            stored = load_checkpoint(path)
        except CheckpointError:
            return False
        same_epoch = stored.state.progress.best_epoch == self.state.progress.best_epoch
        return same_epoch and stored.identity == self.checkpoint().identity

    def _side_files(self) -> dict[Path, bytes]:
        """Return the content of the history, the normalization statistics and the resolved configuration."""
        output, history = self.plan.config.output_dir, self.state.history
        return self._constant_files | {
            output / HISTORY: history.to_json(),
            output / HISTORY_LINES: history.to_jsonl(),
        }

    @cached_property
    def _constant_files(self) -> dict[Path, bytes]:
        config, data = self.plan.config, self.plan.data
        return {
            config.output_dir / STATISTICS: statistics_file(self.plan.spec, data.cleaner),
            config.output_dir / CONFIG: dump_config(config.model_copy(update={"resume_from": None})).encode(),
        }
