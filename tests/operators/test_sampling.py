"""Sampling: fractions of the strata, scrambled Sobol points, and nested samples."""

import numpy as np
import pytest

from spinlock.config.ranges import Range, log
from spinlock.operators.sampling import NEURAL, Choice, Operators, Parameter, Stratum, sample, sobol_points

STRATA = (
    Stratum("heat", "", (Parameter("heat.diffusivity", log(0.01, 1.0)), Parameter("shared", Range(-1, 1)))),
    Stratum("wave", "", (Parameter("wave.speed", Range(1, 3)), Parameter("shared", Range(-1, 1)))),
    Stratum(
        NEURAL, "residual", (Parameter("neural.depth", Choice((2.0, 3.0, 5.0))), Parameter("shared", Range(-1, 1)))
    ),
)


def sampled(count: int, fraction: float = 0.25, seed: int = 1) -> Operators:
    return sample(STRATA, fraction, seed, count)


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.15, 1 / 3, 1.0])
def test_the_neural_fraction_holds_for_every_number_of_operators(fraction: float) -> None:
    strata = STRATA[:2] * (fraction < 1) + STRATA[2:] * (fraction > 0)
    operators = sample(strata, fraction, 0, 500)
    is_neural = np.array([strata[number].family == NEURAL for number in operators.stratum])
    running = is_neural.cumsum()
    assert np.all(np.abs(running - fraction * np.arange(1, 501)) <= 1)
    others = np.bincount(operators.stratum[~is_neural], minlength=1)
    assert others.max() - others[others > 0].min() <= 1 if (~is_neural).any() else True


def test_a_smaller_sample_equals_the_first_operators_of_a_larger_one() -> None:
    small, large = sampled(37), sampled(300)
    np.testing.assert_array_equal(small.stratum, large.stratum[:37])
    np.testing.assert_array_equal(small.rank, large.rank[:37])
    for one, other in zip(small.tables(), large.tables(), strict=True):
        np.testing.assert_array_equal(one, other[:37])


def test_other_seeds_give_other_points() -> None:
    assert not np.allclose(sampled(20).tables()[0], sampled(20, seed=2).tables()[0], equal_nan=True)


def test_ranks_number_the_members_of_a_stratum() -> None:
    operators = sampled(200)
    for number in range(3):
        members = operators.members(number)
        np.testing.assert_array_equal(operators.rank[members], np.arange(len(members)))


def test_tables_have_values_only_for_the_parameters_of_an_operator() -> None:
    operators = sampled(80)
    unit, physical = operators.tables()
    names = operators.parameter_names
    assert names == ("heat.diffusivity", "shared", "wave.speed", "neural.depth")
    for number, stratum in enumerate(STRATA):
        rows = operators.members(number)
        has = [name in {parameter.name for parameter in stratum.parameters} for name in names]
        np.testing.assert_array_equal(np.isfinite(unit[rows]), np.tile(has, (len(rows), 1)))
    heat = operators.members(0)
    np.testing.assert_allclose(physical[heat, 0], 0.01 * 100 ** unit[heat, 0])
    np.testing.assert_allclose(physical[:, 1], 2 * unit[:, 1] - 1)
    neural = operators.members(2)
    np.testing.assert_allclose(
        unit[neural, 3], np.select([physical[neural, 3] == d for d in (2, 3)], [1 / 6, 0.5], 5 / 6)
    )
    np.testing.assert_array_equal(operators.values(2, "neural.depth"), physical[neural, 3])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (Range(-1, 3), [-1, 1, 3]),
        (log(0.01, 1), [0.01, 0.1, 1]),
        (log(0.3, 0.3), [0.3, 0.3, 0.3]),
        (Choice((2.0, 3.0, 5.0)), [2, 3, 5]),
    ],
    ids=["linear", "log", "one value", "choice"],
)
def test_parameters_map_the_unit_interval(values: Range | Choice, expected: list[float]) -> None:
    np.testing.assert_allclose(Parameter("x", values).at(np.array([0.0, 0.5, 1.0])), expected)


def test_sobol_points_are_a_net() -> None:
    points = sobol_points(2, 64, np.random.SeedSequence(4))
    for rows, columns in ((64, 1), (8, 8), (2, 32)):  # each elementary interval has one point
        cells = (points[:, 0] * rows).astype(int) * columns + (points[:, 1] * columns).astype(int)
        assert len(set(cells)) == 64
