"""Stratified sampling of operators: number i determines the stratum of an operator, a Sobol point its parameters.

Operator i is neural if floor((i + 1) f) > floor(i f), where f is the fraction of neural operators. The other operators
cycle through the families, and the neural operators cycle through the policies. The r-th operator of a stratum has the
r-th point of the scrambled Sobol sequence of this stratum (``scipy.stats.qmc``: linear matrix scramble and digital
shift, Matousek 1998). Therefore operator i depends only on the seed and on i, and a small sample is the beginning of a
larger one.

Letters: ``N`` operators, ``P`` parameters of all strata together, ``d`` parameters of one stratum, ``n`` operators of
one stratum.
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
"""Name of the family that contains all neural operators."""

TOLERANCE = 1e-6
"""Relative tolerance of the ends of a range and of options, because physical values are rounded or estimated."""


@dataclass(frozen=True)
class Choice:
    """One of several ``options`` with equal probability."""

    options: tuple[float, ...]

    def cell(self, unit: Floats) -> NDArray[np.int64]:
        """Return the index of the option for each number in the unit interval."""
        return np.minimum((unit * len(self.options)).astype(np.int64), len(self.options) - 1)

    def at(self, unit: Floats) -> Floats:
        """Return the option for each number in the unit interval."""
        return np.asarray(self.options, dtype=np.float64)[self.cell(unit)]

    def unit(self, values: Floats) -> Floats:
        """Return the middle of the cell of each value; NaN for values that are not options."""
        options = np.asarray(self.options, dtype=np.float64)
        nearest = np.abs(values[..., None] - options).argmin(axis=-1)
        is_option = np.isclose(options[nearest], values, rtol=TOLERANCE, atol=0)
        return np.where(is_option, (nearest + 0.5) / len(options), np.nan)


@dataclass(frozen=True)
class Parameter:
    """A sampled parameter: its ``name`` in the file and the range or the options of its values."""

    name: str
    values: Range | Choice

    def at(self, unit: Floats) -> Floats:
        """Map numbers u of the unit interval to physical values of the same shape.

        x(u) = low + u (high - low), or low (high / low)^u on a logarithmic scale, clipped to the range.
        """
        values = self.values
        if isinstance(values, Choice):
            return values.at(unit)
        if values.scale == "log":
            return np.clip(values.low * (values.high / values.low) ** unit, values.low, values.high)
        return np.clip(values.low + unit * (values.high - values.low), values.low, values.high)

    def unit(self, physical: Floats) -> Floats:
        """Map physical values to numbers u of the unit interval, the inverse of :meth:`at`.

        Returns
        -------
        ndarray
            Shape of ``physical``; NaN for values outside the range, and for values that are not options.
        """
        values = self.values
        if isinstance(values, Choice):
            return values.unit(physical)
        if values.low == values.high:
            unit = np.where(np.isclose(physical, values.low, rtol=TOLERANCE), 0.5, np.nan)
        elif values.scale == "log":
            unit = np.log(np.maximum(physical, np.finfo(float).tiny) / values.low) / np.log(values.high / values.low)
        else:
            unit = (physical - values.low) / (values.high - values.low)
        inside = (unit >= -TOLERANCE) & (unit <= 1 + TOLERANCE)
        return np.where(inside, np.clip(unit, 0.0, 1.0), np.nan)


@dataclass(frozen=True)
class Stratum:
    """Operators of one kind: a PDE ``family``, or neural operators with one ``policy``."""

    family: str
    policy: str
    parameters: tuple[Parameter, ...]

    @property
    def name(self) -> str:
        """Name of the stratum, such as ``burgers`` or ``neural residual``."""
        return f"{self.family} {self.policy}".strip()


@dataclass(frozen=True)
class Operators:
    """N sampled operators.

    Parameters
    ----------
    strata
        The kinds of operators.
    stratum
        Index of the stratum of each operator, [N].
    rank
        Rank of each operator in its stratum, [N].
    points
        Points of the unit cube, one array [n, d] for each stratum.
    """

    strata: tuple[Stratum, ...]
    stratum: NDArray[np.int64]
    rank: NDArray[np.int64]
    points: tuple[Floats, ...]

    @property
    def count(self) -> int:
        """Number of operators, N."""
        return len(self.stratum)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of all parameters, in the order of the strata, [P]."""
        return tuple(dict.fromkeys(parameter.name for each in self.strata for parameter in each.parameters))

    def members(self, stratum: int) -> NDArray[np.int64]:
        """Return the numbers of the operators of a stratum in ascending order, which is the order of their ranks."""
        return np.flatnonzero(self.stratum == stratum)

    def values(self, stratum: int, name: str) -> Floats:
        """Return the physical values of one parameter of a stratum, by rank, [n]."""
        column, parameter = next(
            (column, each) for column, each in enumerate(self.strata[stratum].parameters) if each.name == name
        )
        return parameter.at(self.points[stratum][:, column])

    def tables(self) -> tuple[Floats, Floats]:
        """Return the unit-cube values and the physical values, [N, P] each, with NaN for parameters of other strata.

        The unit-cube value of a choice is the middle of its cell.
        """
        names = self.parameter_names
        unit, physical = np.full((2, self.count, len(names)), np.nan)
        for number, stratum in enumerate(self.strata):
            rows = self.members(number)
            for column, parameter in enumerate(stratum.parameters):
                position, values = names.index(parameter.name), parameter.values
                point = self.points[number][:, column]
                if isinstance(values, Choice):
                    point = (values.cell(point) + 0.5) / len(values.options)
                unit[rows, position] = point
                physical[rows, position] = parameter.at(point)
        return unit, physical


def sample(strata: Sequence[Stratum], neural_fraction: float, seed: int, count: int) -> Operators:
    """Sample operators.

    Parameters
    ----------
    strata
        The kinds of operators.
    neural_fraction
        Fraction of neural operators.
    seed
        Seed of the Sobol sequences.
    count
        Number of operators, N.

    Returns
    -------
    Operators
    """
    pde = [number for number, each in enumerate(strata) if each.family != NEURAL]
    neural = [number for number, each in enumerate(strata) if each.family == NEURAL]
    fraction = Fraction(str(neural_fraction)).limit_denominator(10**6)
    numbers = np.arange(count + 1, dtype=np.int64)
    num_neural = numbers * fraction.numerator // fraction.denominator  # among the first 0, 1, ..., N operators
    is_neural = np.diff(num_neural) > 0
    position = np.where(is_neural, num_neural[:-1], numbers[:-1] - num_neural[:-1])  # among the neural or PDE operators
    stratum, rank = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    for mask, kinds in ((is_neural, neural), (~is_neural, pde)):
        if mask.any():
            stratum[mask] = np.asarray(kinds)[position[mask] % len(kinds)]
            rank[mask] = position[mask] // len(kinds)
    points = tuple(
        sobol_points(len(each.parameters), int((stratum == number).sum()), text_seed(seed, each.name))
        for number, each in enumerate(strata)
    )
    return Operators(tuple(strata), stratum, rank, points)


def sobol_points(dimensions: int, count: int, seed: np.random.SeedSequence) -> Floats:
    """Return the first points of a scrambled Sobol sequence.

    Parameters
    ----------
    dimensions
        Number of dimensions d.
    count
        Number of points. A power of two is drawn, because the sequence is balanced for powers of two.
    seed
        Seed of the scrambling.

    Returns
    -------
    ndarray
        Points of the unit cube, [count, d].
    """
    if not count or not dimensions:
        return np.empty((count, dimensions))
    sequence = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(seed))
    points: Floats = sequence.random_base2(max(0, (count - 1).bit_length()))[:count]
    return points
