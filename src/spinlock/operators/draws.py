"""Random numbers of operator i; they depend on (seed, i, purpose, step) alone.

NumPy draws counter-based Philox streams (Salmon et al. 2011) on the CPU, so that the numbers are the same for every
device.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """Purpose of a random stream; each operator has one stream per purpose, so that the streams do not interfere."""

    INITIAL = 1
    WEIGHTS = 2
    NOISE = 3
    PROBE = 4


def stream(seed: int, index: int, purpose: Purpose, step: int = 0) -> np.random.Generator:
    """Return the generator of operator ``index`` for one purpose; noise has one generator per step."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, index, int(purpose), step))))


def text_seed(seed: int, text: str) -> np.random.SeedSequence:
    """Return a seed derived from a name; unlike Python's ``hash`` it is the same in every process."""
    return np.random.SeedSequence((seed, *text.encode()))
