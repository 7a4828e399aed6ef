"""The batch size that the memory of a device holds, found by trial."""

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
    """The largest of a half, a quarter, ... of the batch whose optimizer step fits into memory; 0 if none fits.

    The weights change, so the run must be over.

    Parameters
    ----------
    state, step
        Model and optimizer, and the step that did not fit.
    make_batches
        Makes the batches of a plan.
    plan
        The plan whose batch did not fit.
    device
        Device of the model.
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
