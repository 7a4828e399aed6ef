"""Search for a batch size that fits into the memory of a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from spinlock.training.batches import Batches
from spinlock.training.run import TrainingState
from spinlock.training.schedule import BatchPlan, step_draws
from spinlock.training.steps import TrainingStep


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
