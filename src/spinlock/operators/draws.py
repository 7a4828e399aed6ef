"""Random numbers of operator i, which depend on (seed, i, purpose, step) alone.

Counter-based Philox streams (Salmon et al. 2011), drawn on the CPU by NumPy, so that they are the same on every device.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for; each operator has one for each, so that drawing more for one shifts no other."""

    INITIAL = 1
    WEIGHTS = 2
    NOISE = 3
    PROBE = 4


def stream(seed: int, index: int, purpose: Purpose, step: int = 0) -> np.random.Generator:
    """The generator of operator ``index`` for one purpose, and for one step where noise is drawn step by step."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, index, int(purpose), step))))


def text_seed(seed: int, text: str) -> np.random.SeedSequence:
    """A seed for something that has a name; unlike Python's ``hash`` the same in every process."""
    return np.random.SeedSequence((seed, *text.encode()))
