"""A training run: from a plan, or from the file of an unfinished run, to a finished model.

Letters: ``N`` operators, ``P`` parameters.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from spinlock.ano.calibration.fit import calibrate, held_out_metrics
from spinlock.ano.checkpoint.directory import ANODirectory, resumed_file
from spinlock.ano.checkpoint.record import ANOCheckpoint, Calibration
from spinlock.ano.data.source import Source
from spinlock.ano.network.ensemble import Ensemble
from spinlock.ano.network.member import Member
from spinlock.ano.training.loop import plan_targets, train
from spinlock.ano.training.plan import Plan
from spinlock.ano.training.state import EpochRecord, TrainingState, Weights
from spinlock.checkpoint.provenance import Provenance, versions
from spinlock.config.section import identity_keys
from spinlock.config.text import dump_config
from spinlock.errors import CheckpointError
from spinlock.io.atomic import DirectoryLock, write_files
from spinlock.runtime.isolation import isolated

OnEpoch = Callable[[EpochRecord], None]


class TimeLimitError(Exception):
    """A run has stopped at its time limit, and its state is saved."""


@dataclass
class Run:
    """A plan, and the state of its training."""

    plan: Plan
    state: TrainingState
    provenance: Provenance
    saved: tuple[int, int] | None = None
    """Numbers of the member and of the epoch that were saved last by this object."""

    @classmethod
    def start(cls, plan: Plan, command_line: str) -> Run:
        """Return a new run, or the run that the configuration resumes.

        Raises
        ------
        CheckpointError
            The run to resume is finished, or has other tokens or another configuration.
        """
        if plan.config.resume_from is not None:
            path = resumed_file(plan.config.resume_from)
            checkpoint = ANOCheckpoint.load(path)
            _check_same_run(checkpoint, plan, path)
            assert checkpoint.resume is not None, "an unfinished run has a state"
            return cls(plan, checkpoint.resume, checkpoint.provenance)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        seeds = {"random_seed": plan.config.random_seed, "split_seed": plan.config.split_seed}
        return cls(plan, TrainingState(), Provenance(versions(), command_line, started, seeds))

    def execute(
        self, on_epoch: OnEpoch = lambda record: None, *, save: bool = True, max_seconds: float | None = None
    ) -> ANOCheckpoint:
        """Train, calibrate and evaluate.

        Parameters
        ----------
        on_epoch
            Called after each epoch.
        save
            Whether the files of the run are written to ``output_dir``.
        max_seconds
            Time limit in seconds. It is checked after each epoch. It has no effect if ``save`` is false.

        Returns
        -------
        ANOCheckpoint
            The finished model.

        Raises
        ------
        TimeLimitError
            The time limit has passed. The state of the run is saved.
        """
        if not save:
            return self._finished(train(self.plan, self.state, lambda state, record: on_epoch(record)))
        directory = ANODirectory(self.plan.config.output_dir)
        deadline = math.inf if max_seconds is None else time.monotonic() + max_seconds

        def after_epoch(state: TrainingState, record: EpochRecord) -> None:
            limit_has_passed = time.monotonic() >= deadline
            if limit_has_passed or state.epoch % self.plan.config.save_every == 0:
                write_files({directory.last: self._unfinished().to_bytes()})
                self.saved = state.member, state.epoch
            on_epoch(record)
            if limit_has_passed:
                raise TimeLimitError(f"the time limit of {max_seconds:g} s is reached")

        with DirectoryLock(directory.path, files=directory.files):
            finished = self._finished(train(self.plan, self.state, after_epoch))
            config = dump_config(self.plan.config.model_copy(update={"resume_from": None}))
            history = json.dumps(list(finished.history), indent=1) + "\n"
            contents = {directory.best: finished.to_bytes(), directory.files[2]: config.encode()}
            write_files({**contents, directory.files[3]: history.encode()})
            directory.last.unlink(missing_ok=True)
        return finished

    def _unfinished(self) -> ANOCheckpoint:
        """Return the checkpoint from which the run is resumed."""
        plan, state = self.plan, self.state
        return ANOCheckpoint(
            config=plan.config,
            source=Source.of(plan.data),
            split=plan.split,
            space=plan.space,
            spec=plan.spec,
            provenance=self.provenance,
            members=(),
            calibration=None,
            metrics={},
            history=tuple(state.history),
            resume=state,
        )

    @isolated()
    def _finished(self, weights: list[Weights]) -> ANOCheckpoint:
        """Calibrate the members, evaluate them, and return the checkpoint of the model."""
        plan = self.plan
        validation, calibrate_on, evaluate = (
            plan_targets(plan, operators, seed=plan.seed(0, number))
            for number, operators in enumerate((plan.split.validation, plan.split.calibration, plan.split.test))
        )
        predictor = calibrate(build_ensemble(plan, weights), plan.space, validation, calibrate_on)
        return replace(
            self._unfinished(),
            members=tuple(weights),
            calibration=Calibration(predictor.temperature, predictor.widths),
            metrics=held_out_metrics(predictor, evaluate),
            resume=None,
        )


def build_ensemble(plan: Plan | ANOCheckpoint, weights: list[Weights]) -> Ensemble:
    """Return the ensemble of trained members."""
    members = []
    for values in weights:
        member = Member(plan.spec)
        member.load_state_dict(values)
        members.append(member)
    return Ensemble(members)


def _check_same_run(checkpoint: ANOCheckpoint, plan: Plan, path: Path) -> None:
    """Raise an error unless a file is an unfinished run of the plan."""
    if checkpoint.resume is None:
        raise CheckpointError("is a finished run", where=str(path), remedy="train a new model")
    source = Source.of(plan.data)
    if (checkpoint.source, checkpoint.source.decoder_sha256) != (source, source.decoder_sha256):
        what = f"was trained on other tokens than {plan.data.rows.path}"
        if checkpoint.source == source:
            what = f"was trained with another decoder than that of {plan.data.rows.path}"
        raise CheckpointError(what, where=str(path), remedy="resume with the same token file")
    old, new = checkpoint.config, plan.config
    changed = sorted(key for key in identity_keys(type(new)) if getattr(old, key) != getattr(new, key))
    if changed:
        key = changed[0]
        what = f"was trained with {key}={getattr(old, key)}, and now {key} is {getattr(new, key)}"
        raise CheckpointError(what, where=str(path), remedy="resume with the same configuration, or train a new model")
