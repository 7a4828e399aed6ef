"""The temporal group: growth, rhythm, memory and events of a run.

The four modules with these names contain the definitions and sources.

Letters: ``R`` runs, ``F`` features.
"""

import torch
from torch import Tensor

from spinlock.features import events, growth, memory, rhythm
from spinlock.features.run import Run

MODULES = (growth, rhythm, memory, events)

FEATURES: dict[str, str] = growth.FEATURES | rhythm.FEATURES | memory.FEATURES | events.FEATURES


def compute(run: Run) -> Tensor:
    """Return the features, [R, F]."""
    return torch.cat([module.compute(run) for module in MODULES], -1)
