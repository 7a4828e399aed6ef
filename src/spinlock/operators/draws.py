"""Random numbers of operator i. They depend only on (seed, i, purpose, step).

NumPy generates them on the CPU by the counter-based generator Philox (Salmon et al. 2011), so that they are the same
for every device.
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
    """Return the random generator of an operator for one purpose.

    Parameters
    ----------
    seed
        Seed of the dataset.
    index
        Number of the operator.
    purpose
        What the random numbers are for.
    step
        Number of the step, for noise; each step has its own generator.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, index, int(purpose), step))))


def text_seed(seed: int, text: str) -> np.random.SeedSequence:
    """Return a seed that depends on a number and a name; unlike Python's ``hash`` it is the same in every process."""
    return np.random.SeedSequence((seed, *text.encode()))
