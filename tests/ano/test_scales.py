"""Scales of parameters: physical value, unit interval and real line."""

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import kstest

from spinlock.ano.data.scales import ParameterScale
from spinlock.config.ranges import Range
from spinlock.errors import DataError
from spinlock.operators.sampling import Choice, Parameter

PARAMETERS = [
    Parameter("linear", Range(-1.5, 1.5)),
    Parameter("decreasing log", Range(2e-5, 8e-5, "log")),
    Parameter("choice", Choice((3.0, 5.0, 9.0))),
    Parameter("constant", Range(2.0, 2.0)),
]


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: parameter.name)
def test_the_scale_of_a_sampled_parameter_is_recovered(parameter: Parameter, rng: np.random.Generator) -> None:
    unit = rng.random(60)
    if isinstance(parameter.values, Choice):
        unit = (parameter.values.cell(unit) + 0.5) / len(parameter.values.options)  # as in /parameters/params
    scale = ParameterScale.fit(parameter.name, unit, parameter.at(unit))
    new = rng.random(40)
    np.testing.assert_allclose(scale.to_physical(scale.to_real(new)), parameter.at(new), rtol=1e-5)
    assert ParameterScale.from_dict(scale.to_dict()) == scale


def test_options_are_spread_over_their_cells_so_that_their_prior_is_the_standard_normal(
    rng: np.random.Generator,
) -> None:
    cell = rng.integers(0, 4, 4000)
    scale = ParameterScale.fit("depth", (cell + 0.5) / 4, 2.0 + cell)
    real = scale.to_real((cell + 0.5) / 4, rng)
    assert kstest(real, "norm").pvalue > 1e-3
    np.testing.assert_array_equal(scale.to_physical(real), 2.0 + cell)


def test_infinite_coordinates_are_the_ends_of_the_range() -> None:
    scale = ParameterScale("speed", "log", (0.2, 1.5))
    np.testing.assert_allclose(scale.to_physical(np.array([-np.inf, 0.0, np.inf])), [0.2, np.sqrt(0.3), 1.5])


def test_a_function_that_is_neither_linear_nor_logarithmic_is_an_error(rng: np.random.Generator) -> None:
    unit = rng.random(50)
    with pytest.raises(DataError, match=r"neither|not a linear or logarithmic"):
        ParameterScale.fit("odd", unit, np.sin(6 * unit))
    with pytest.raises(DataError, match="unit interval"):
        ParameterScale.fit("odd", unit + 1, unit)


def test_values_near_the_ends_of_the_unit_interval_are_finite() -> None:
    scale = ParameterScale("x", "linear", (0.0, 1.0))
    real = scale.to_real(np.array([0.0, 1.0]))
    assert np.isfinite(real).all()
    np.testing.assert_allclose(ndtr(real), [0, 1], atol=2e-6)
