"""The temporal group: growth, periodicity, memory and events of a run.

The modules with these names define the features and cite the sources.

Letters: ``R`` runs, ``F`` features.
"""

import torch
from torch import Tensor

from spinlock.features import events, growth, memory, periodicity
from spinlock.features.run import Run

MODULES = (growth, periodicity, memory, events)

FEATURES: dict[str, str] = growth.FEATURES | periodicity.FEATURES | memory.FEATURES | events.FEATURES


def compute(run: Run) -> Tensor:
    """Return the features, [R, F]."""
    return torch.cat([module.compute(run) for module in MODULES], -1)
