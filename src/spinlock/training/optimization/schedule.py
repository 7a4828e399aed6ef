"""Batch, learning rate and random draws of a step, as functions of the number of the step.

The generator of the draws is seeded with (seed, step), and that of the order of rows with (seed, epoch). A resumed run
therefore gives the same result as a run without interruption.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spinlock.model import LEVELS, ModelSpec
from spinlock.runtime.device import to_device
from spinlock.training.losses.objective import PROJECTION_DIM

WARM_UP_FRACTION = 0.02
"""Fraction of the steps in which the learning rate increases from zero."""

FINAL_LEARNING_RATE_FRACTION = 0.01
"""Final learning rate as a fraction of its maximum."""

MAX_CODE_UPDATE = 0.1
"""Maximum weight of a batch in the moving averages of the codes, unless ``ema_decay`` asks for a larger one."""

QUANTIZER_DROPOUT_FRACTION = 0.1
"""Fraction of the rows of a batch that are decoded from one level, and equal fraction decoded from two levels."""

CATEGORY_DECODER_FRACTION = 0.25
"""Fraction of the rows of a batch that the category decoders predict. All rows would take a tenth of a step."""

RESET_FRACTION = 0.8
"""Dead codes are reset only in this fraction of the steps at the start, so that all codes converge afterward."""


@dataclass(frozen=True)
class BatchPlan:
    """Division of an epoch into the smallest number of equal batches of at most the configured size.

    ``rows`` is the number of training rows of an epoch, ``steps`` the number of batches, and ``batch`` the number of
    rows of each batch. All batches have the same shape, so that the step is compiled once. The last batch is filled up
    with the first rows of the epoch.
    """

    rows: int
    steps: int
    batch: int

    @classmethod
    def of(cls, rows: int, batch_size: int) -> BatchPlan:
        """Create the plan for a number of training rows and a configured batch size."""
        steps = math.ceil(rows / batch_size)
        return cls(rows, steps, math.ceil(rows / steps))

    def order(self, seed: int, epoch: int) -> Tensor:
        """Return the row indices [steps, batch] of an epoch."""
        order = np.random.default_rng([seed, 3, epoch]).permutation(self.rows)
        return torch.from_numpy(np.resize(order, (self.steps, self.batch)))


@dataclass(frozen=True)
class StepDraws:
    """Random draws of one step.

    ``projection`` [C, E, 16] is Gaussian, and ``augmentation`` [2, B] is uniform in [0, 1): it selects the neighbor of
    each row and the interpolated point between them. ``reset_noise`` [L, C, B] is uniform too; it is None unless dead
    codes are reset after the step.
    """

    projection: Tensor
    augmentation: Tensor
    reset_noise: Tensor | None

    @property
    def rows(self) -> int:
        """Number of rows B of the global batch."""
        return self.augmentation.shape[1]


def step_draws(
    spec: ModelSpec, rows: int, *, seed: int, step: int, device: torch.device, resets: bool = False
) -> StepDraws:
    """Return the random draws of one step, without synchronization with the device.

    Parameters
    ----------
    spec
        Specification of the network.
    rows
        Number of rows B of the global batch.
    seed, step
        Seed of the run and number of the step, on which alone the values depend.
    device
        Device of the draws.
    resets
        Whether dead codes are reset after the step.

    Returns
    -------
    StepDraws
    """
    state = np.random.SeedSequence([seed, 4, step]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state) & (2**63 - 1))
    projection = torch.randn(spec.num_categories, spec.embedding_dim, PROJECTION_DIM, generator=generator)
    augmentation = torch.rand(2, rows, generator=generator)
    noise = torch.rand(LEVELS, spec.num_categories, rows, generator=generator) if resets else None
    noise = None if noise is None else to_device(noise, device)
    return StepDraws(to_device(projection, device), to_device(augmentation, device), noise)


def learning_rate(step: int, total: int, maximum: float) -> float:
    """Return the learning rate of a step: linear warm-up, then cosine decay to a hundredth of the maximum.

    Parameters
    ----------
    step
        Number of the step, counted from 0. Steps from ``total`` on have the rate of step ``total`` - 1.
    total
        Number of steps of the schedule.
    maximum
        Learning rate at the end of the warm-up.

    Returns
    -------
    float
    """
    step = min(step, max(0, total - 1))
    warm_up = max(1, round(WARM_UP_FRACTION * total))
    if step < warm_up:
        return maximum * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, total - warm_up)
    low = FINAL_LEARNING_RATE_FRACTION
    return maximum * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * progress)))


def code_decay(step: int, total: int, final: float) -> float:
    """Return the decay of the moving averages of the codes in a step.

    The memory 1 / (1 - decay) is inversely proportional to the learning rate, and at least 1 / :data:`MAX_CODE_UPDATE`
    batches. Codes therefore follow fast encoders, and are means over many batches when the encoders are almost at rest.

    Parameters
    ----------
    step, total
        As in :func:`learning_rate`.
    final
        Decay at the end of the schedule, which is also its maximum.

    Returns
    -------
    float
    """
    ratio = learning_rate(step, total, 1.0) / FINAL_LEARNING_RATE_FRACTION
    fast = min(MAX_CODE_UPDATE, (1 - final) * ratio)
    return 1 - max(1 - final, fast)


def resets_due(step: int, planned_steps: int, interval: int) -> bool:
    """Return whether dead codes are reset after step number ``step``, counted from 1; an interval of 0 means never."""
    return interval > 0 and step % interval == 0 and step <= RESET_FRACTION * planned_steps
