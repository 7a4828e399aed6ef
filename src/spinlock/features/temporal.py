"""The temporal group: how a run grows or decays, what it repeats, what it remembers, and what happens to it.

Definitions and sources are in the four files whose features it joins.

Letters: ``R`` runs, ``F`` features.
"""

import torch
from torch import Tensor

from spinlock.features import events, growth, memory, rhythm
from spinlock.features.run import Run

PARTS = (growth, rhythm, memory, events)

FEATURES: dict[str, str] = growth.FEATURES | rhythm.FEATURES | memory.FEATURES | events.FEATURES


def compute(run: Run) -> Tensor:
    """[R, F]."""
    return torch.cat([part.compute(run) for part in PARTS], -1)
