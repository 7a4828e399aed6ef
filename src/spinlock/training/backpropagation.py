"""Losses and gradients of a training step, also where the step cannot be compiled."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from spinlock.runtime.compilation import CompilePlan
from spinlock.training.losses.objective import LossTerms
from spinlock.training.optimization.adam import Adam
from spinlock.training.optimization.schedule import StepDraws
from spinlock.training.steps import TrainingStep

MAX_REASON = 160
"""Maximum number of characters of an error of the compiler in a message."""


def backpropagate(
    step: TrainingStep, optimizer: Adam, batch: Tensor, draws: StepDraws, on_failure: Callable[[CompilePlan], None]
) -> LossTerms:
    """Compute the losses of a step and the gradients of the parameters.

    A compiler can be installed and fail: its headers are missing, it is too old, or its directory does not allow
    programs. The step is then run eagerly from now on.

    Parameters
    ----------
    step
        The training step.
    optimizer
        Optimizer of the parameters; their old gradients are removed.
    batch, draws
        The rows of the batch and the random draws of the step.
    on_failure
        Called with the eager plan if the step could not be compiled.

    Returns
    -------
    LossTerms
    """
    try:
        return _gradients(step, optimizer, batch, draws)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # compilers fail with many types; an error of the step itself occurs again below
        if not step.use_eager():
            raise
        reason = (str(error).strip().splitlines() or [""])[0][:MAX_REASON]
        plan = CompilePlan(False, f"eager: torch.compile failed on this machine ({type(error).__name__}: {reason})")
    on_failure(plan)
    return _gradients(step, optimizer, batch, draws)


def _gradients(step: TrainingStep, optimizer: Adam, batch: Tensor, draws: StepDraws) -> LossTerms:
    optimizer.zero_grad()
    terms = step.losses(batch, draws)
    torch.autograd.backward(terms.total)
    return terms
