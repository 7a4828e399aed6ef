"""Moving average of the weights during training (Polyak and Juditsky, 1992).

    w- <- w- + (w - w-) / min(t, T) after step t

While the learning rate is high, the weights and the codes that follow the encoders oscillate around the solution. Their
average is nearer to it. Epochs are therefore validated with the average, so that an epoch in the middle of the schedule
can be the best one. Training itself does not use it.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from spinlock.model import CategoricalVQVAE

AVERAGED_STEPS = 20
"""Number of steps T over which the average extends. Over many more steps the encoders change too much."""


def averaged_copy(model: CategoricalVQVAE) -> CategoricalVQVAE:
    """Return a network with the same weights."""
    return copy.deepcopy(model)


@torch.no_grad()
def update_average(averaged: CategoricalVQVAE, model: CategoricalVQVAE, step: int) -> None:
    """Update the average after optimizer step number ``step``, counted from 1. Counters of steps are copied."""
    weight = 1 / min(step, AVERAGED_STEPS)
    means: list[Tensor] = []
    current: list[Tensor] = []
    for mean, value in zip(averaged.state_dict().values(), model.state_dict().values(), strict=True):
        if value.is_floating_point():
            means.append(mean)
            current.append(value)
        else:
            mean.copy_(value)
    torch._foreach_lerp_(means, current, weight)
