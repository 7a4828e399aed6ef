"""How evenly the parameters of a sample of operators are distributed: discrepancy and correlation of each stratum."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

from spinlock.operators.sampling import Operators

MAX_POINTS = 4096
"""Maximum number of points from which the discrepancy is computed, because its cost is quadratic."""


@dataclass(frozen=True)
class Balance:
    """How evenly the parameters are sampled. Each measure is that of the stratum with the largest value.

    Parameters
    ----------
    discrepancy
        Squared centered L2 discrepancy of the stratum in which its ratio to ``random_discrepancy`` is largest.
    random_discrepancy
        Expected discrepancy of the same number of independent uniform points.
    discrepancy_stratum
        Name of this stratum.
    correlation
        Largest |Pearson r| between two parameters of a stratum.
    correlation_pair
        Names of the stratum and of the two parameters with this correlation.
    """

    discrepancy: float
    random_discrepancy: float
    discrepancy_stratum: str
    correlation: float
    correlation_pair: str


def balance(operators: Operators, *, min_operators: int = 16) -> Balance | None:
    """Measure how evenly the parameters are sampled; the discrepancy is that of Hickernell (1998).

    Parameters
    ----------
    operators
        The sampled operators.
    min_operators
        Strata with fewer operators are not measured.

    Returns
    -------
    Balance or None
        None if every stratum is too small.
    """
    pairs = zip(operators.strata, operators.points, strict=True)
    samples = [(stratum, points) for stratum, points in pairs if len(points) >= min_operators]
    if not samples:
        return None
    worst: tuple[float, float, str] = (-1.0, 0.0, "")
    pair: tuple[float, str] = (-1.0, "")
    for stratum, points in samples:
        subset = points[:MAX_POINTS]
        discrepancy = float(qmc.discrepancy(subset, method="CD"))
        # Expectation of the squared centered discrepancy of n independent points: ((5/4)^d - (13/12)^d) / n.
        expectation = ((5 / 4) ** points.shape[1] - (13 / 12) ** points.shape[1]) / len(subset)
        if discrepancy / expectation > worst[0]:
            worst = (discrepancy / expectation, expectation, stratum.name)
        if points.shape[1] > 1:
            correlation = np.abs(np.corrcoef(points, rowvar=False) - np.eye(points.shape[1]))
            first, second = np.unravel_index(int(correlation.argmax()), correlation.shape)
            largest = float(correlation[first, second])
            if largest > pair[0]:
                names = [parameter.name for parameter in stratum.parameters]
                pair = (largest, f"{stratum.name}: {names[first]}, {names[second]}")
    return Balance(worst[0] * worst[1], worst[1], worst[2], max(pair[0], 0.0), pair[1])
