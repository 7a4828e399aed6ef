"""What a step of a run depends on: its batch, its learning rate and its random draws, all functions of its number.

The draws of a step come from a generator that is seeded with (seed, step), the order of an epoch from one that is
seeded with (seed, epoch). So a resumed run continues exactly where it stopped.
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
"""Fraction of the steps in which the learning rate rises from zero."""

FINAL_LEARNING_RATE_FRACTION = 0.05
"""The learning rate ends at this fraction of its maximum."""

QUANTIZER_DROPOUT_FRACTION = 0.1
"""Fraction of the rows of a batch that the decoder sees with the first level only, and with the first two only."""

CATEGORY_DECODER_FRACTION = 0.25
"""Fraction of the rows of a batch that the category decoders see. All rows would cost a tenth of a step."""

RESET_FRACTION = 0.8
"""Dead codes are reset in this first fraction of the planned steps only, so that the last codes converge."""


@dataclass(frozen=True)
class BatchPlan:
    """An epoch of ``steps`` batches of exactly ``batch`` rows each, the fewest of at most the configured size.

    All batches have one shape, so that nothing is compiled twice. The last batch is filled up with the first rows of
    the order. ``rows`` is the number of training rows of an epoch.
    """

    rows: int
    steps: int
    batch: int

    @classmethod
    def of(cls, rows: int, batch_size: int) -> BatchPlan:
        """The plan for a number of training rows and a configured batch size."""
        steps = math.ceil(rows / batch_size)
        return cls(rows, steps, math.ceil(rows / steps))

    def order(self, seed: int, epoch: int) -> Tensor:
        """Row numbers [steps, batch] of an epoch."""
        order = np.random.default_rng([seed, 3, epoch]).permutation(self.rows)
        return torch.from_numpy(np.resize(order, (self.steps, self.batch)))


@dataclass(frozen=True)
class StepDraws:
    """The random draws of one step.

    ``projection`` [C, E, 16] is Gaussian, ``augmentation`` [B] is uniform in [0, 1). ``reset_noise`` [L, C, B], uniform
    too, exists only in steps after which dead codes are reset.
    """

    projection: Tensor
    augmentation: Tensor
    reset_noise: Tensor | None


def step_draws(
    spec: ModelSpec, rows: int, *, seed: int, step: int, device: torch.device, resets: bool = False
) -> StepDraws:
    """Draw for one optimizer step from (seed, step) alone; the host does not wait for the device.

    Parameters
    ----------
    spec
        The network.
    rows
        Rows B of the batch.
    seed, step
        What the draws depend on.
    device
        Where the draws are needed.
    resets
        Whether dead codes are reset after the step.
    """
    state = np.random.SeedSequence([seed, 4, step]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state) & (2**63 - 1))
    projection = torch.randn(spec.num_categories, spec.embedding_dim, PROJECTION_DIM, generator=generator)
    augmentation = torch.rand(rows, generator=generator)
    noise = torch.rand(LEVELS, spec.num_categories, rows, generator=generator) if resets else None
    noise = None if noise is None else to_device(noise, device)
    return StepDraws(to_device(projection, device), to_device(augmentation, device), noise)


def learning_rate(step: int, total: int, maximum: float) -> float:
    """Linear warm-up, then half a cosine down to a twentieth; steps beyond ``total`` keep the last value."""
    step = min(step, max(0, total - 1))
    warm_up = max(1, round(WARM_UP_FRACTION * total))
    if step < warm_up:
        return maximum * (step + 1) / warm_up
    progress = (step - warm_up) / max(1, total - warm_up)
    low = FINAL_LEARNING_RATE_FRACTION
    return maximum * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * progress)))


def resets_due(step: int, planned_steps: int, interval: int) -> bool:
    """Whether dead codes are reset after an optimizer step, counted from 1; an interval of 0 means never."""
    return interval > 0 and step % interval == 0 and step <= RESET_FRACTION * planned_steps
