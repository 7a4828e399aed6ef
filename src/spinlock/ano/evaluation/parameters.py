"""Accuracy of the predicted parameters, and coverage of their conformal intervals, given the true family.

Letters: ``n`` operators, ``P`` parameters of all families together, ``d`` parameters of one family, ``L`` levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from spinlock.ano.calibration.conformal import LEVELS, ConformalWidths
from spinlock.ano.data.space import ParameterSpace
from spinlock.ano.evaluation.posteriors import FamilyPosterior
from spinlock.metrics.calibration import ClusteredFraction, clustered_fraction

Floats = NDArray[np.float64]

DRAWN_LEVEL = 0.8
"""Probability of the intervals that are drawn."""


@dataclass(frozen=True)
class Points:
    """One parameter of the measured operators that have it, in coordinates of the unit interval.

    Attributes
    ----------
    truth
        True values; the coordinate of an option is drawn from its cell.
    median, low, high
        Medians, and lower and upper ends of the 80 % intervals.
    """

    truth: tuple[float, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class ParameterResult:
    """Predictions of one parameter of one family.

    Attributes
    ----------
    name, family
        Names.
    kind, values
        Scale of the parameter: ``linear`` or ``log`` with its values at 0 and 1, or ``options`` with all options.
    operators
        Number of measured operators with this parameter.
    r2
        Fraction of the variance of the true coordinates that the medians explain; NaN for fewer than two operators.
    r2_of_mean
        The same for the posterior means, which are the best predictions for this measure.
    coverage
        {level: fraction of the operators inside the interval}.
    points
        Truth and prediction of each operator.
    """

    name: str
    family: str
    kind: str
    values: tuple[float, ...]
    operators: int
    r2: float
    r2_of_mean: float
    coverage: dict[str, float]
    points: Points


@dataclass(frozen=True)
class Parameters:
    """Predicted parameters.

    Attributes
    ----------
    coverage
        {level: fraction of all parameters inside their interval, with its standard error for independent operators}.
    coverage_by_family
        {family: {level: the same}}.
    coverage_error
        Largest absolute difference between coverage and level.
    mean_r2
        Mean of ``r2`` over the parameters.
    parameters
        Each parameter of each family.
    """

    coverage: dict[str, ClusteredFraction]
    coverage_by_family: dict[str, dict[str, ClusteredFraction]]
    coverage_error: float
    mean_r2: float
    parameters: tuple[ParameterResult, ...]


def fraction_explained(truth: Floats, predicted: Floats) -> float:
    """Return 1 - sum (t - p)^2 / sum (t - mean t)^2 of values [n]; NaN if the truth is constant."""
    spread = float(np.square(truth - truth.mean()).sum()) if len(truth) else 0.0
    return 1 - float(np.square(truth - predicted).sum()) / spread if spread > 0 else float("nan")


def measure_parameters(
    posteriors: Sequence[FamilyPosterior], space: ParameterSpace, widths: ConformalWidths
) -> Parameters:
    """Compare medians and intervals with the true parameters.

    Parameters
    ----------
    posteriors
        Densities of the measured operators of each family.
    space
        Families and parameters of the model.
    widths
        Widths of the intervals.
    """
    inside = [_inside(posterior, widths) for posterior in posteriors]
    size = max((len(posterior.columns) for posterior in posteriors), default=1)
    hits = [np.pad(hit, ((0, 0), (0, size - hit.shape[1]), (0, 0))) for hit in inside]
    counted = [np.pad(p.present, ((0, 0), (0, size - len(p.columns)))) for p in posteriors]
    pooled = _coverage(np.concatenate(hits), np.concatenate(counted))
    results = [
        _parameter(posterior, axis, hit, space, widths)
        for posterior, hit in zip(posteriors, inside, strict=True)
        for axis in range(len(posterior.columns))
        if posterior.present[:, axis].any()
    ]
    return Parameters(
        coverage=pooled,
        coverage_by_family={
            space.families[posterior.family]: _coverage(hit, posterior.present)
            for posterior, hit in zip(posteriors, inside, strict=True)
        },
        coverage_error=max(abs(fraction.value - float(level)) for level, fraction in pooled.items()),
        mean_r2=float(np.nanmean([result.r2 for result in results])),
        parameters=tuple(results),
    )


def _inside(posterior: FamilyPosterior, widths: ConformalWidths) -> NDArray[np.bool_]:
    """Return whether each parameter is inside its intervals, [n, d, L]."""
    scores = np.abs(posterior.ranks() - 0.5)
    return np.asarray(scores[..., None] <= widths.half_widths[posterior.family])


def _coverage(inside: NDArray[np.bool_], present: NDArray[np.bool_]) -> dict[str, ClusteredFraction]:
    """Return {level: coverage} of flags [n, d, L]."""
    return {f"{level:g}": clustered_fraction(inside[..., i], present) for i, level in enumerate(LEVELS)}


def _parameter(
    posterior: FamilyPosterior, axis: int, inside: NDArray[np.bool_], space: ParameterSpace, widths: ConformalWidths
) -> ParameterResult:
    """Return the result of one parameter of a family."""
    scale, rows = space.scales[posterior.columns[axis]], posterior.present[:, axis]
    half = float(widths.half_widths[posterior.family, LEVELS.index(DRAWN_LEVEL)])
    ends = posterior.quantiles([0.5, 0.5 - half, 0.5 + half])[rows, axis]
    truth = np.asarray(ndtr(posterior.truth[rows, axis]))
    mean = ndtr(posterior.draws[rows, :, axis]).mean(axis=1)
    return ParameterResult(
        name=scale.name.removeprefix(f"{space.families[posterior.family]}."),
        family=space.families[posterior.family],
        kind=scale.kind,
        values=scale.values,
        operators=int(rows.sum()),
        r2=fraction_explained(truth, ends[:, 0]),
        r2_of_mean=fraction_explained(truth, mean),
        coverage={f"{level:g}": float(inside[rows, axis, i].mean()) for i, level in enumerate(LEVELS)},
        points=Points(*(tuple(values.tolist()) for values in (truth, *ends.T))),
    )
