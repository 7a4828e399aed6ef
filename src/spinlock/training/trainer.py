"""The training loop: epochs of equal batches, validation, the best model so far, and saving.

The loop prints nothing; what happens is told to an :class:`Observer`.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

import torch
from torch import Tensor

from spinlock.config import VQVAEConfig
from spinlock.errors import RunError
from spinlock.preprocessing.training_data import TrainingData
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.training.batches import batch_plan, check_shares, make_batches
from spinlock.training.history import Record
from spinlock.training.objective import LossTerms
from spinlock.training.observer import Observer
from spinlock.training.schedule import learning_rate, step_draws
from spinlock.training.state import Save, TrainingState
from spinlock.training.steps import Step, step_of
from spinlock.training.stopping import StopRequest
from spinlock.training.validation import ValidationResult, Validator

LAST_RESETS = 0.8
"""Dead codes are replaced in this first share of the planned steps only, so that the last codes can settle."""


class Trainer:
    """Trains a model on the rows of a table; see :meth:`run`. All processes of ``group`` run it together."""

    def __init__(
        self,
        state: TrainingState,
        data: TrainingData,
        validator: Validator,
        config: VQVAEConfig,
        *,
        compiled: bool,
        observer: Observer,
        save: Save,
        stop: StopRequest,
        group: ProcessGroup = SINGLE,
    ) -> None:
        self.state = state
        self.data = data
        self.validator = validator
        self.config = config
        self.observer = observer
        self.save = save
        self.stop = stop
        self.group = group
        self.plan = batch_plan(data, config)
        self.device = data.train.device
        self.compiled = compiled
        check_shares(self.plan, group)

    def run(self) -> str | None:
        """Train to the configured number of epochs; returns why it ended before that, or None.

        Epoch 0, the untrained model, is validated like any other and may turn out the best.

        Raises:
            RunError: a loss or a weight is no longer finite, or the device's memory is used up.
        """
        try:
            return self._run()
        except torch.OutOfMemoryError:
            pass
        # Outside the handler: the traceback it holds keeps the tensors of the step that failed.
        fitting = self._fitting_batch() if self.group.world_size == 1 else self.plan.batch // 2
        raise RunError(
            f"the device's memory does not hold a batch of {self.plan.batch} rows",
            remedy=f"start again with --batch-size {fitting}" if fitting else "not one row fits: use another device",
        )

    def _fitting_batch(self) -> int:
        """The largest of a half, a quarter, ... of the batch whose step fits, found by trying; 0 if none does."""
        batch = self.plan.batch // 2
        while batch:
            self.state.optimizer.zero_grad()
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            plan = replace(self.plan, batch=batch)
            first = next(make_batches(self.data, plan, self.config, self.state.progress.extent).epoch_batches(1, 0))
            draws = step_draws(self.state.model.spec, batch, seed=0, step=0, device=first.device)
            try:
                torch.autograd.backward(self.step.losses(first, draws).total)
                self.state.optimizer.step()  # the run is over, so its weights may move
            except torch.OutOfMemoryError:
                batch //= 2
            else:
                break
        return batch

    def _first_step(self) -> Step:
        self.batches = make_batches(self.data, self.plan, self.config, self.state.progress.extent, self.group)
        try:
            return step_of(self.state.model, self.batches, self.config, compiled=self.compiled, group=self.group)
        except torch.OutOfMemoryError:
            raise RunError(
                f"the device's memory does not hold the tokens of {len(self.data.train)} training rows",
                remedy="use assignment: local, or a device with more memory",
            ) from None

    def _validate(self) -> ValidationResult:
        try:
            return self.group.broadcast_object(self.validator(self.state.model) if self.group.is_main else None)
        except torch.OutOfMemoryError:
            raise RunError(
                f"the device's memory does not hold the validation of {self.config.val_batch_size} rows at once",
                remedy=f"start again with --set val_batch_size={max(1, self.config.val_batch_size // 4)}",
            ) from None

    def _run(self) -> str | None:
        progress = self.state.progress
        if len(self.state.history) == 0:
            self._finish_epoch({}, 0.0)
        if progress.epoch < self.config.epochs:
            self.step = self._first_step()
        while progress.epoch < self.config.epochs:
            waited = progress.epoch - progress.reference_epoch
            validated = progress.epoch % self.config.val_every_n_epochs == 0
            if validated and waited >= self.config.early_stopping_patience:
                return f"no better score for {waited} epochs (early_stopping_patience)"
            started = time.perf_counter()
            finished = self._train_epoch(progress.epoch + 1)
            if finished:
                progress.epoch += 1
                self._finish_epoch(self._epoch_losses(), time.perf_counter() - started)
            if self._asked_to_stop() and progress.epoch < self.config.epochs:
                self.save(self.state, False)
                self.group.barrier()  # torchrun ends the others soon after the first that ends
                return self.stop.reason
        return None

    def _asked_to_stop(self) -> bool:
        """Whether any process was asked to; once it was, all of them are, for the reason of the first that was."""
        group = self.group
        if not group.any(self.stop.reason is not None):
            return False
        reasons = group.gather_objects(self.stop.reason)
        told = [reason if rank == 0 else f"{reason} (process {rank})" for rank, reason in enumerate(reasons) if reason]
        self.stop.stop(group.broadcast_object(told[0] if told else None))
        return True

    def _train_epoch(self, epoch: int) -> bool:
        """The remaining steps of an epoch; False when asked to stop before its end."""
        progress = self.state.progress
        batches = self.batches.epoch_batches(epoch, progress.step_in_epoch)
        sums: Tensor | None = None
        names = sorted(LossTerms.__dataclass_fields__)
        if progress.losses:
            sums = torch.tensor([progress.losses[name] for name in names], dtype=torch.float64, device=self.device)
        resets = torch.zeros((), dtype=torch.int64, device=self.device)
        interrupted = False
        while progress.step_in_epoch < self.plan.steps and not interrupted:
            terms, replaced = self._step(next(batches))
            named = terms.named()
            values = torch.stack([named[name].detach() for name in names]).double()
            sums = values if sums is None else sums + values
            resets += replaced
            progress.step += 1
            progress.step_in_epoch += 1
            self.observer.step(epoch, progress.step_in_epoch, self.plan.steps)
            interrupted = self._asked_to_stop() and progress.step_in_epoch < self.plan.steps
        assert sums is not None, "an epoch has at least one step"
        progress.losses = dict(zip(names, sums.tolist(), strict=True))
        progress.resets += int(resets)
        self._check_finite(epoch)
        return not interrupted

    def _check_finite(self, epoch: int) -> None:
        """Refuse to go on, and above all to save, when a loss or a weight is lost."""
        length = torch.nn.utils.get_total_norm([weight.detach() for weight in self.state.model.parameters()])
        if not all(map(math.isfinite, (*self.state.progress.losses.values(), float(length)))):
            raise RunError(
                f"a loss or a weight is no longer finite in epoch {epoch}",
                remedy="lower learning_rate; the last good state is in last.pt",
            )

    def _step(self, batch: Tensor) -> tuple[LossTerms, Tensor]:
        """One optimizer step on a batch of the feed."""
        config, progress, model = self.config, self.state.progress, self.state.model
        draws = step_draws(
            model.spec,
            self.plan.batch,
            seed=config.random_seed,
            step=progress.step,
            device=self.device,
            resets=resets_due(progress.step + 1, progress.planned_steps, config.dead_code_reset_interval),
        )
        for group in self.state.optimizer.param_groups:
            group["lr"] = group["share"] * learning_rate(progress.step, progress.planned_steps, config.learning_rate)
        self.state.optimizer.zero_grad()
        terms = self.step.losses(batch, draws)
        torch.autograd.backward(terms.total)
        self.group.all_reduce_([weight.grad for weight in model.parameters() if weight.grad is not None])
        self.state.optimizer.step()
        return terms, self.step.after_update(draws)

    def _epoch_losses(self) -> dict[str, float]:
        """Mean losses over the steps of the epoch just finished; the sums start again."""
        progress = self.state.progress
        means = {name: value / self.plan.steps for name, value in progress.losses.items()}
        progress.losses, progress.step_in_epoch = {}, 0
        return means

    def _finish_epoch(self, losses: dict[str, float], seconds: float) -> None:
        """Validate when due, note the history, keep the best, save."""
        config, progress, history = self.config, self.state.progress, self.state.history
        epoch = progress.epoch
        validation = None
        if epoch % config.val_every_n_epochs == 0 or epoch == config.epochs:
            validation = self._validate()
        record: Record = {"epoch": epoch, "seconds": seconds, "resets": progress.resets}
        record |= {f"train_{name}": value for name, value in losses.items()}
        record["learning_rate"] = learning_rate(max(0, progress.step - 1), progress.planned_steps, config.learning_rate)
        progress.resets_total += progress.resets
        progress.resets = 0
        best = False
        if validation is not None:
            score = checkpoint_score(validation, config)
            record |= validation.named() | {"score": score}
            best = self._note_score(score, validation)
        history.append(record)
        due = validation is not None if config.save_every is None else epoch % config.save_every == 0
        if best or due or epoch in (0, config.epochs):
            self.save(self.state, best)
            self.observer.saved(epoch)
        self.observer.epoch(epoch, record, validation, best)

    def _note_score(self, score: float, validation: ValidationResult) -> bool:
        """Keep the state if it is the best: the lowest score among epochs that reconstruct no worse than epoch 0."""
        progress = self.state.progress
        if progress.epoch == 0:
            progress.start_quality = validation.quality
        if not score < progress.best_score or (self.config.warm_start and validation.quality < progress.start_quality):
            return False
        if score < progress.reference_score - self.config.early_stopping_min_delta:
            progress.reference_score, progress.reference_epoch = score, progress.epoch
        progress.best_score, progress.best_epoch, progress.best_loss = score, progress.epoch, validation.loss
        self.state.best_weights = {
            name: tensor.detach().clone() for name, tensor in self.state.model.state_dict().items()
        }
        self.state.best_validation = validation
        return True


def checkpoint_score(validation: ValidationResult, config: VQVAEConfig) -> float:
    """loss_weight * val_loss + topo_weight * (1 - topographic) + quality_weight * (1 - quality), or val_loss alone."""
    if not config.checkpoint_use_composite:
        return validation.loss
    return (
        config.checkpoint_loss_weight * validation.loss
        + config.checkpoint_topo_weight * (1 - validation.topographic_correlation)
        + config.checkpoint_quality_weight * (1 - validation.quality)
    )


def resets_due(step: int, planned_steps: int, interval: int) -> bool:
    """Whether dead codes are looked for after the given optimizer step (counted from 1)."""
    return interval > 0 and step % interval == 0 and step <= LAST_RESETS * planned_steps
