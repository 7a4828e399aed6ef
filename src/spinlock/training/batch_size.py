"""The error of a run for which the memory of a device is too small, with a batch size that fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from spinlock.errors import RunError
from spinlock.training.batches import Batches
from spinlock.training.optimization.schedule import BatchPlan, step_draws
from spinlock.training.run import TrainingState
from spinlock.training.steps import TrainingStep


def memory_error(
    state: TrainingState,
    step: TrainingStep | None,
    make_batches: Callable[[BatchPlan], Batches],
    plan: BatchPlan,
    device: torch.device,
    *,
    search: bool,
) -> RunError:
    """Return the error of a run that ran out of memory.

    Parameters
    ----------
    state, step, make_batches, plan, device
        As for :func:`feasible_batch`; ``step`` is None if memory ran out before the first step.
    search
        Whether to search for a batch size that fits. Otherwise half the batch size is suggested.
    """
    if step is None:
        return RunError(
            "the model and the training rows do not fit into the memory of the device",
            remedy="use a smaller max_table_mb, so that the table is streamed, or a device with more memory",
        )
    batch = feasible_batch(state, step, make_batches, plan, device) if search else plan.batch // 2
    return RunError(
        f"a batch of {plan.batch} rows does not fit into the memory of the device",
        remedy=f"start again with batch_size={batch}" if batch else "use another device: no batch size fits",
    )


def validation_memory_error(rows: int) -> RunError:
    """Return the error of a validation of ``rows`` rows at once that ran out of memory.

    A resumed run may change ``val_batch_size``, so that no epoch is lost.
    """
    smaller = f"resume the run, or start again, with val_batch_size={max(1, rows // 4)}"
    return RunError(
        f"validation of {rows} rows at once does not fit into the memory of the device",
        remedy=smaller if rows > 1 else "use another device: not even one row fits",
    )


def feasible_batch(
    state: TrainingState,
    step: TrainingStep,
    make_batches: Callable[[BatchPlan], Batches],
    plan: BatchPlan,
    device: torch.device,
) -> int:
    """Halve the batch size until an optimizer step fits into memory.

    The trial steps change the weights, so training cannot continue afterward.

    Parameters
    ----------
    state, step
        State of the run, and the step that ran out of memory.
    make_batches
        Function that creates the batches of a plan.
    plan
        Plan whose batches do not fit.
    device
        Device of the model.

    Returns
    -------
    int
        Batch size that fits; 0 if not even one row fits.
    """
    batch = plan.batch // 2
    while batch:
        state.optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        rows = next(make_batches(replace(plan, batch=batch)).epoch_batches(1, 0))
        draws = step_draws(state.model.spec, batch, seed=0, step=0, device=rows.device)
        try:
            torch.autograd.backward(step.losses(rows, draws).total)
            state.optimizer.step()
        except torch.OutOfMemoryError:
            batch //= 2
        else:
            break
    return batch
