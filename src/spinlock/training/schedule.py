"""What a step of a run depends on: its batch, its learning rate, its random draws. All are functions of its number.

A step's draws come from a generator seeded with (seed, step) and an epoch's order from one seeded with (seed, epoch),
so that a resumed run continues exactly where it stopped, wherever that was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spinlock.model import LEVELS, ModelSpec
from spinlock.runtime.device import to_device
from spinlock.training.objective import PROJECTION

WARM_UP = 0.02
"""Share of the steps in which the learning rate rises from zero."""

FINAL_SHARE = 0.05
"""The learning rate ends at this share of its highest value."""

QUANTIZER_DROPOUT_FRACTION = 0.1
"""Share of the rows of a batch of which the decoder sees one level only, and two levels only."""

CATEGORY_DECODER_FRACTION = 0.25
"""Share of the rows of a batch that the partial decoders see: three for each category, they would cost a tenth."""


@dataclass(frozen=True)
class BatchPlan:
    """``steps`` per epoch of exactly ``batch`` rows each: the fewest equal batches of at most the configured size.

    A fixed shape, so that nothing is compiled twice; the last batch is filled up with the first rows of the order.
    """

    rows: int
    steps: int
    batch: int

    @classmethod
    def of(cls, rows: int, batch_size: int) -> BatchPlan:
        """The plan for n rows and a configured batch size."""
        steps = math.ceil(rows / batch_size)
        return cls(rows, steps, math.ceil(rows / steps))

    def order(self, seed: int, epoch: int) -> Tensor:
        """Row numbers [steps, batch] of an epoch."""
        order = np.random.default_rng([seed, 3, epoch]).permutation(self.rows)
        return torch.from_numpy(np.resize(order, (self.steps, self.batch)))


@dataclass(frozen=True)
class StepDraws:
    """The random draws of one step: projections [C, E, 16] and versions [B], uniform in [0, 1).

    ``reset_noise`` [L, C, B], uniform too, is there in the steps after which dead codes are looked for.
    """

    projection: Tensor
    augmentation: Tensor
    reset_noise: Tensor | None


def step_draws(
    spec: ModelSpec, rows: int, *, seed: int, step: int, device: torch.device, resets: bool = False
) -> StepDraws:
    """Draw for one optimizer step, from (seed, step) alone; nothing waits for the device."""
    state = np.random.SeedSequence([seed, 4, step]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state) & (2**63 - 1))
    projection = torch.randn(spec.num_categories, spec.embedding_dim, PROJECTION, generator=generator)
    augmentation = torch.rand(rows, generator=generator)
    noise = torch.rand(LEVELS, spec.num_categories, rows, generator=generator) if resets else None
    noise = None if noise is None else to_device(noise, device)
    return StepDraws(to_device(projection, device), to_device(augmentation, device), noise)


def learning_rate(step: int, total: int, highest: float) -> float:
    """Linear warm-up, then half a cosine down to a twentieth; steps beyond ``total`` hold the last value."""
    step = min(step, max(0, total - 1))
    warm = max(1, round(WARM_UP * total))
    if step < warm:
        return highest * (step + 1) / warm
    progress = (step - warm) / max(1, total - warm)
    return highest * (FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * progress)))
