"""The training loop: epochs of equal batches, validation, and selection of the best epoch.

The loop itself neither prints nor writes files; :class:`~spinlock.training.callbacks.Callback` objects do.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from spinlock.checkpoint.history import EpochValues
from spinlock.checkpoint.progress import ValidationResult
from spinlock.errors import RunError
from spinlock.runtime.compilation import CompilePlan
from spinlock.training.backpropagation import backpropagate
from spinlock.training.batch_size import memory_error, validation_memory_error
from spinlock.training.batches import Batches, check_batch_size, make_batches
from spinlock.training.best_epoch import checkpoint_score, keep_if_best
from spinlock.training.callbacks import Callback, EpochReport, StepReport
from spinlock.training.losses.objective import LOSS_NAMES, LossTerms
from spinlock.training.optimization.schedule import BatchPlan, code_decay, learning_rate, resets_due, step_draws
from spinlock.training.optimization.weight_average import update_average
from spinlock.training.row_losses import RowSample
from spinlock.training.run import Run
from spinlock.training.steps import STEPS, TrainingStep
from spinlock.training.validation import Validator


class Trainer:
    """Trainer of a run. All processes of its group call :meth:`train` together.

    Parameters
    ----------
    run
        Run that is started or resumed.
    callbacks
        Callbacks, which are called in this order.
    """

    def __init__(self, run: Run, callbacks: Sequence[Callback] = ()) -> None:
        self.run = run
        self.callbacks = callbacks
        self.plan, self.state, self.group = run.plan, run.state, run.group
        self.config, self.batch_plan = run.plan.config, run.plan.batch_plan
        data = run.plan.data
        self.device = data.train.device
        self.step: TrainingStep | None = None
        self.validator = Validator(data.validation, data.cleaner, self.config, block=self.config.val_batch_size)
        self.sample = RowSample(data, self.config.random_seed, block=self.config.val_batch_size)
        check_batch_size(self.batch_plan, self.group)

    def train(self) -> str | None:
        """Train until the configured number of epochs, early stopping, or a request to stop.

        Epoch 0, the initialized model, is validated like any other epoch and may be the best one.

        Returns
        -------
        str or None
            Reason why training ended before the configured number of epochs, or None.

        Raises
        ------
        RunError
            A loss or a weight is no longer finite, or the memory of the device is exhausted.
        """
        try:
            return self._train_epochs()
        except torch.OutOfMemoryError:
            pass
        # Inside the handler, the traceback would keep the tensors of the failed step in memory.
        search = self.group.world_size == 1
        raise memory_error(self.state, self.step, self._make_batches, self.batch_plan, self.device, search=search)

    def _train_epochs(self) -> str | None:
        progress = self.state.progress
        if len(self.state.history) == 0:
            self._finish_epoch({}, 0.0)
        if progress.epoch < self.config.epochs:
            self.step = self._make_step()
        while progress.epoch < self.config.epochs:
            if self._stop_requested():
                self._save(is_best=False)
                self.group.barrier()  # torchrun ends all processes soon after the first one ends
                return self.run.stop_reason
            without_improvement = progress.epoch - progress.reference_epoch
            validated = progress.epoch % self.config.val_every_n_epochs == 0
            if validated and without_improvement >= self.config.early_stopping_patience:
                return f"no better score for {without_improvement} epochs (early_stopping_patience)"
            started = time.perf_counter()
            if self._train_epoch(progress.epoch + 1):
                progress.epoch += 1
                if progress.epoch == self.config.epochs and self.step is not None:
                    self.step.finish(self.state.averaged, self.plan.fit_rows().rows)
                self._finish_epoch(progress.take_losses(self.batch_plan.steps), time.perf_counter() - started)
        return None

    def _train_epoch(self, epoch: int) -> bool:
        """Make the remaining steps of an epoch. Return False if a request to stop interrupted it."""
        progress, steps = self.state.progress, self.batch_plan.steps
        batches = self.batches.epoch_batches(epoch, progress.step_in_epoch)
        sums: Tensor | None = None
        if progress.losses:
            sums = torch.tensor([progress.losses[name] for name in LOSS_NAMES], dtype=torch.float64, device=self.device)
        resets = torch.zeros((), dtype=torch.int64, device=self.device)
        interrupted = False
        while progress.step_in_epoch < steps and not interrupted:
            terms, num_reset = self._optimize(next(batches))
            named = terms.named()
            values = torch.stack([named[name].detach() for name in LOSS_NAMES]).double()
            sums = values if sums is None else sums + values
            resets += num_reset
            progress.step += 1
            progress.step_in_epoch += 1
            for callback in self.callbacks:
                callback.on_step(self.run, StepReport(epoch, progress.step_in_epoch, steps))
            interrupted = self._stop_requested() and progress.step_in_epoch < steps
        assert sums is not None, "an epoch has at least one step"
        progress.losses = dict(zip(LOSS_NAMES, sums.tolist(), strict=True))
        progress.resets += int(resets)
        self._check_finite(epoch)
        return not interrupted

    def _optimize(self, batch: Tensor) -> tuple[LossTerms, Tensor]:
        """Make one optimizer step. Return the losses and the number of codes that were reset."""
        config, progress, model = self.config, self.state.progress, self.state.model
        draws = step_draws(
            model.spec,
            self.batch_plan.batch,
            seed=config.random_seed,
            step=progress.step,
            device=self.device,
            resets=resets_due(progress.step + 1, progress.planned_steps, config.dead_code_reset_interval),
        )
        rate = learning_rate(progress.step, progress.planned_steps, config.learning_rate)
        for parameters in self.state.optimizer.param_groups:
            parameters["lr"] = parameters["lr_scale"] * rate
        assert self.step is not None, "an epoch starts with a step"
        terms = backpropagate(self.step, self.state.optimizer, batch, draws, self._train_eagerly)
        self.group.all_reduce_([weight.grad for weight in model.parameters() if weight.grad is not None])
        self.state.optimizer.step()
        num_reset = self.step.after_update(draws, code_decay(progress.step, progress.planned_steps, config.ema_decay))
        update_average(self.state.averaged, model, progress.step + 1)
        return terms, num_reset

    def _train_eagerly(self, plan: CompilePlan) -> None:
        """Store in the plan of the run that the step could not be compiled."""
        self.plan = self.run.plan = replace(self.plan, compile_plan=plan)
        for callback in self.callbacks:
            callback.on_note(self.run, plan.reason)

    def _check_finite(self, epoch: int) -> None:
        """Raise a :class:`RunError`, without saving, if a loss or a weight is no longer finite."""
        norm = torch.nn.utils.get_total_norm([weight.detach() for weight in self.state.model.parameters()])
        if not all(map(math.isfinite, (*self.state.progress.losses.values(), float(norm)))):
            raise RunError(
                f"a loss or a weight is no longer finite in epoch {epoch}",
                remedy="lower learning_rate; a checkpoint that was saved before is finite",
            )

    def _finish_epoch(self, losses: dict[str, float], seconds: float) -> None:
        """Validate if it is due, update the history and the best model, save, and call the callbacks."""
        config, progress = self.config, self.state.progress
        epoch = progress.epoch
        due = epoch % config.val_every_n_epochs == 0 or epoch == config.epochs
        validation, train_losses = self._validate() if due else (None, {})
        record: EpochValues = {"epoch": epoch, "seconds": seconds, "resets": progress.resets}
        if losses:
            record["step_total"] = losses["total"]
        record["learning_rate"] = learning_rate(max(0, progress.step - 1), progress.planned_steps, config.learning_rate)
        progress.resets_total += progress.resets
        progress.resets = 0
        is_best = False
        if validation is not None:
            score = checkpoint_score(validation, config)
            is_best = keep_if_best(self.state, validation, score, config, require_initial_quality=config.warm_start)
            record |= validation.history_values() | train_losses | {"score": score}
        self.state.history.append(record)
        save_due = validation is not None if config.save_every is None else epoch % config.save_every == 0
        if is_best or save_due or epoch in (0, config.epochs):
            self._save(is_best=is_best)
        report = EpochReport(epoch, record, validation, is_best)
        for callback in self.callbacks:
            callback.on_epoch(self.run, report)
            if validation is not None:
                callback.on_validation(self.run, report)

    def _validate(self) -> tuple[ValidationResult, dict[str, float]]:
        """Validate, and measure the losses of training rows, in the main process for all processes."""
        try:
            result = None
            if self.group.is_main:
                model, losses = self.state.averaged, {}
                if self.step is not None:
                    losses = self.step.row_losses(model, self.sample).history_values(self.config)
                result = self.validator(model), losses
            return self.group.broadcast_object(result)
        except torch.OutOfMemoryError:
            raise validation_memory_error(self.config.val_batch_size) from None

    def _save(self, *, is_best: bool) -> None:
        for callback in self.callbacks:
            callback.on_save(self.run, is_best)

    def _stop_requested(self) -> bool:
        """Return whether any process was asked to stop. All processes then use the reason of the lowest such rank."""
        group = self.group
        if not group.any(self.run.stop_reason is not None):
            return False
        reasons = [
            reason if rank == 0 else f"{reason} (process {rank})"
            for rank, reason in enumerate(group.gather_objects(self.run.stop_reason))
            if reason
        ]
        self.run.stop(group.broadcast_object(reasons[0] if reasons else None))
        return True

    def _make_batches(self, batch_plan: BatchPlan) -> Batches:
        return make_batches(
            self.plan.data,
            batch_plan,
            streamed=self.plan.streams_batches,
            seed=self.config.random_seed,
            extent=self.state.progress.extent,
            group=self.group,
        )

    def _make_step(self) -> TrainingStep:
        self.batches = self._make_batches(self.batch_plan)
        try:
            return STEPS[self.plan.spec.assignment](
                self.state.model,
                self.batches,
                losses=self.config,
                codebooks=self.config,
                compiled=self.plan.compile_plan.compile,
                group=self.group,
            )
        except torch.OutOfMemoryError:
            raise RunError(
                f"the tokens of {len(self.plan.data.train)} training rows do not fit into the memory of the device",
                remedy="use assignment: local, or a device with more memory",
            ) from None
