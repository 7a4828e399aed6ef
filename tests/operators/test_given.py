"""Operators with given parameters: the inverse of the map from the unit cube, and values outside the ranges."""

import numpy as np
import pytest

from spinlock.config.ranges import Range, log
from spinlock.errors import DataError
from spinlock.operators.given import given_operators
from spinlock.operators.sampling import NEURAL, Choice, Parameter, sample
from tests.operators.test_sampling import STRATA, sampled

UNIT = np.linspace(0, 1, 41)


@pytest.mark.parametrize("values", [Range(-2.0, 3.0), log(0.01, 10.0)])
def test_the_unit_values_are_the_inverse(values: Range) -> None:
    parameter = Parameter("p", values)
    np.testing.assert_allclose(parameter.unit(parameter.at(UNIT)), UNIT, atol=1e-12)
    outside = parameter.unit(np.array([values.low - 0.01, values.high + 0.01, np.nan]))
    assert np.isnan(outside).all()


def test_the_unit_value_of_an_option_is_the_middle_of_its_cell() -> None:
    parameter = Parameter("p", Choice((2.0, 3.0, 5.0)))
    np.testing.assert_allclose(parameter.unit(np.array([3.0, 5.0, 2.0, 4.0])), [0.5, 5 / 6, 1 / 6, np.nan])


def test_a_fixed_value_has_a_unit_value() -> None:
    assert Parameter("p", Range(0.3, 0.3)).unit(np.array([0.3, 0.4])).tolist()[0] == 0.5


def test_given_operators_equal_the_sampled_ones() -> None:
    operators = sampled(50)
    _, physical = operators.tables()
    values = dict(zip(operators.parameter_names, physical.T, strict=True))
    given = given_operators(STRATA, operators.stratum, values, where="table")
    np.testing.assert_array_equal(given.rank, operators.rank)
    np.testing.assert_allclose(given.tables()[1], physical, rtol=1e-12)


def test_a_value_outside_its_range_is_named() -> None:
    operators = sample(STRATA[2:], 1.0, 0, 5)
    values = {"neural.depth": np.array([2.0, 3.0, 4.0, 5.0, 2.0]), "shared": np.zeros(5)}
    with pytest.raises(DataError, match=r"neural\.depth is 4 in row 2; expected one of 2, 3, 5"):
        given_operators(STRATA[2:], operators.stratum, values, where="table")
    with pytest.raises(DataError, match="has no parameter shared"):
        given_operators(STRATA[2:], operators.stratum, {"neural.depth": np.full(5, 2.0)}, where="table")
    assert STRATA[2].family == NEURAL
