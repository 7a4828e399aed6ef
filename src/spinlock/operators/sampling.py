"""Which operators a dataset holds: strata by the operator's number, and a scrambled Sobol point for its parameters.

Operator i is neural when floor((i + 1) share) > floor(i share); the others take the families in turn, the neural ones
the policies. The r-th operator of a stratum has the r-th point of that stratum's own Sobol sequence, scrambled as
``scipy.stats.qmc`` does it (a linear matrix scramble and a digital shift: Owen's idea at less cost, Matousek 1998), so
that it depends on the seed and i alone and any number of operators is the beginning of a larger one.

Letters: ``N`` operators, ``P`` parameters of all strata together, ``d`` of one stratum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from spinlock.config.ranges import Range
from spinlock.operators.draws import text_seed

Floats = NDArray[np.float64]

NEURAL = "neural"


@dataclass(frozen=True)
class Choice:
    """One of ``options``, equally likely."""

    options: tuple[float, ...]

    def cell(self, unit: Floats) -> NDArray[np.int64]:
        """The number of the option at places of the unit interval."""
        return np.minimum((unit * len(self.options)).astype(np.int64), len(self.options) - 1)

    def at(self, unit: Floats) -> Floats:
        """The option there."""
        return np.asarray(self.options, dtype=np.float64)[self.cell(unit)]


@dataclass(frozen=True)
class Parameter:
    """A sampled parameter: its ``name`` in the file, and what it may be."""

    name: str
    values: Range | Choice

    def at(self, unit: Floats) -> Floats:
        """Physical values at places of the unit interval, of the same shape.

        x(u) = low + u (high - low), or low (high / low)^u on a logarithmic scale; never outside the range.
        """
        values = self.values
        if isinstance(values, Choice):
            return values.at(unit)
        if values.scale == "log":
            return np.clip(values.low * (values.high / values.low) ** unit, values.low, values.high)
        return np.clip(values.low + unit * (values.high - values.low), values.low, values.high)


@dataclass(frozen=True)
class Stratum:
    """Operators of one kind: a PDE ``family``, or ``neural`` ones of one ``policy``."""

    family: str
    policy: str
    parameters: tuple[Parameter, ...]

    @property
    def name(self) -> str:
        """``burgers``, or ``neural residual``."""
        return f"{self.family} {self.policy}".strip()


@dataclass(frozen=True)
class Operators:
    """N sampled operators: their ``stratum`` [N], their ``rank`` [N] in it, and ``points``, [n, d] of each stratum."""

    strata: tuple[Stratum, ...]
    stratum: NDArray[np.int64]
    rank: NDArray[np.int64]
    points: tuple[Floats, ...]

    @property
    def count(self) -> int:
        """N."""
        return len(self.stratum)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """[P], in the order of the strata."""
        return tuple(dict.fromkeys(parameter.name for each in self.strata for parameter in each.parameters))

    def members(self, stratum: int) -> NDArray[np.int64]:
        """The numbers of the operators of a stratum, ascending: their ranks are 0, 1, ..."""
        return np.flatnonzero(self.stratum == stratum)

    def values(self, stratum: int, name: str) -> Floats:
        """Physical values [n] of one parameter of a stratum, by rank."""
        column, parameter = next(
            (column, each) for column, each in enumerate(self.strata[stratum].parameters) if each.name == name
        )
        return parameter.at(self.points[stratum][:, column])

    def tables(self) -> tuple[Floats, Floats]:
        """Unit-cube and physical values, [N, P] each; NaN where an operator has no such parameter.

        The unit-cube value of a choice is the middle of its cell.
        """
        names = self.parameter_names
        unit, physical = np.full((2, self.count, len(names)), np.nan)
        for number, stratum in enumerate(self.strata):
            rows = self.members(number)
            for column, parameter in enumerate(stratum.parameters):
                place, values = names.index(parameter.name), parameter.values
                point = self.points[number][:, column]
                if isinstance(values, Choice):
                    point = (values.cell(point) + 0.5) / len(values.options)
                unit[rows, place] = point
                physical[rows, place] = parameter.at(point)
        return unit, physical


def sample(strata: Sequence[Stratum], neural_share: float, seed: int, count: int) -> Operators:
    """Sample ``count`` operators; ``strata`` holds the families first, then the neural policies."""
    pde = [number for number, each in enumerate(strata) if each.family != NEURAL]
    neural = [number for number, each in enumerate(strata) if each.family == NEURAL]
    share = Fraction(str(neural_share)).limit_denominator(10**6)
    numbers = np.arange(count + 1, dtype=np.int64)
    before = numbers * share.numerator // share.denominator
    is_neural = np.diff(before) > 0
    turn = np.where(is_neural, before[:-1], numbers[:-1] - before[:-1])
    stratum, rank = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    for chosen, kinds in ((is_neural, neural), (~is_neural, pde)):
        if chosen.any():
            stratum[chosen] = np.asarray(kinds)[turn[chosen] % len(kinds)]
            rank[chosen] = turn[chosen] // len(kinds)
    points = tuple(
        sobol_points(len(each.parameters), int((stratum == number).sum()), text_seed(seed, each.name))
        for number, each in enumerate(strata)
    )
    return Operators(tuple(strata), stratum, rank, points)


def sobol_points(dimensions: int, count: int, seed: np.random.SeedSequence) -> Floats:
    """The first ``count`` points [count, d] of a scrambled Sobol sequence, drawn to a power of two, as it likes."""
    if not count or not dimensions:
        return np.empty((count, dimensions))
    sequence = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    points: Floats = sequence.random_base2(max(0, (count - 1).bit_length()))[:count]
    return points


@dataclass(frozen=True)
class Balance:
    """How evenly the strata are filled, the worst of them each: centered L2 discrepancy and |Pearson r|.

    ``random_discrepancy`` is what as many independent uniform points would show on average.
    """

    discrepancy: float
    random_discrepancy: float
    discrepancy_stratum: str
    correlation: float
    correlation_pair: str


def balance(operators: Operators, *, fewest: int = 16) -> Balance | None:
    """Judge the strata of at least ``fewest`` operators; None where there is none (Hickernell 1998)."""
    judged = [(each, points) for each, points in zip(operators.strata, operators.points, strict=True)]
    judged = [(each, points) for each, points in judged if len(points) >= fewest]
    if not judged:
        return None
    worst: tuple[float, float, str] = (-1.0, 0.0, "")
    pair: tuple[float, str] = (-1.0, "")
    for stratum, points in judged:
        some = points[:4096]
        found = float(qmc.discrepancy(some, method="CD"))
        # E of the squared centered discrepancy of n independent points: ((5/4)^d - (13/12)^d) / n.
        by_chance = ((5 / 4) ** points.shape[1] - (13 / 12) ** points.shape[1]) / len(some)
        if found / by_chance > worst[0]:
            worst = (found / by_chance, by_chance, stratum.name)
        if points.shape[1] > 1:
            correlation = np.abs(np.corrcoef(points, rowvar=False) - np.eye(points.shape[1]))
            first, second = np.unravel_index(int(correlation.argmax()), correlation.shape)
            largest = float(correlation[first, second])
            if largest > pair[0]:
                names = [parameter.name for parameter in stratum.parameters]
                pair = (largest, f"{stratum.name}: {names[first]}, {names[second]}")
    return Balance(worst[0] * worst[1], worst[1], worst[2], max(pair[0], 0.0), pair[1])
