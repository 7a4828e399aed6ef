"""Checks of posteriors: they pass the exact posterior, and fail a biased and a narrow one.

z ~ N(0, I) and x = z + s e with standard normal e, so that the posterior is N(x / (1 + s^2), s^2 / (1 + s^2)).
"""

import numpy as np
import pytest
from scipy.special import ndtr

from spinlock.metrics.calibration import clustered_fraction
from spinlock.metrics.expected_coverage import Credibility, credibility, expected_coverage
from spinlock.metrics.posterior_ranks import posterior_ranks, rank_histogram, uniformity_p_value

NOISE, OPERATORS, DRAWS, SIZE = 0.7, 600, 150, 3
DEVIATION = NOISE / np.sqrt(1 + NOISE**2)


def truth_and_draws(
    rng: np.random.Generator, *, bias: float = 0.0, scale: float = 1.0, size: int = SIZE
) -> tuple[np.ndarray, np.ndarray]:
    """True z [n, d], and draws [n, S, d] of the posterior, shifted and scaled by numbers of its deviations."""
    z = rng.standard_normal((OPERATORS, size))
    mean = (z + NOISE * rng.standard_normal(z.shape)) / (1 + NOISE**2)
    noise = scale * rng.standard_normal((OPERATORS, DRAWS, size)) + bias
    return z, mean[:, None] + DEVIATION * noise


def p_values(truth: np.ndarray, draws: np.ndarray, rng: np.random.Generator) -> list[float]:
    return [uniformity_p_value(posterior_ranks(truth[:, j], draws[:, :, j], rng)) for j in range(truth.shape[1])]


def compared(truth: np.ndarray, draws: np.ndarray, rng: np.random.Generator) -> Credibility:
    """The credibilities in the unit cube, around five uniform points for each operator."""
    return credibility(ndtr(truth), ndtr(draws), rng.random((len(truth), 5, truth.shape[1])))


def test_the_exact_posterior_passes(rng: np.random.Generator) -> None:
    truth, draws = truth_and_draws(rng)
    assert min(p_values(truth, draws, rng)) > 0.01
    curve = expected_coverage([compared(truth, draws, rng)], rng)
    assert curve.gap < 0.05
    assert curve.gap < curve.null_quantile


@pytest.mark.parametrize(("bias", "scale"), [(0.9, 1.0), (-0.9, 1.0), (0.0, 0.6), (0.0, 1.7)])
def test_a_biased_and_a_narrow_posterior_fail(rng: np.random.Generator, bias: float, scale: float) -> None:
    truth, draws = truth_and_draws(rng, bias=bias, scale=scale)
    assert max(p_values(truth, draws, rng)) < 0.01
    curve = expected_coverage([compared(truth, draws, rng)], rng)
    assert curve.gap > 0.05
    assert curve.gap > curve.null_quantile


def test_a_slight_bias_gives_a_larger_gap_than_an_exact_posterior(rng: np.random.Generator) -> None:
    truth, draws = truth_and_draws(rng, bias=0.6)
    curve = expected_coverage([compared(truth, draws, rng)], rng)
    assert curve.gap > curve.null_quantile


def test_a_posterior_with_the_wrong_correlation_has_exact_ranks_and_fails_the_joint_test(
    rng: np.random.Generator,
) -> None:
    truth, draws = truth_and_draws(rng, size=2)
    own = rng.standard_normal((OPERATORS, 1))
    truth = np.repeat(own, 2, axis=1)  # both parameters are equal, the posterior says that they are independent
    draws = rng.standard_normal((OPERATORS, DRAWS, 2))
    assert min(p_values(truth, draws, rng)) > 0.01
    assert expected_coverage([compared(truth, draws, rng)], rng).gap > 0.05


def test_groups_with_different_numbers_of_parameters_are_pooled(rng: np.random.Generator) -> None:
    parts = [compared(*truth_and_draws(rng, size=size), rng) for size in (1, 4)]
    both = expected_coverage(parts, rng)
    single = [expected_coverage([part], rng).coverage for part in parts]
    np.testing.assert_allclose(both.coverage, np.mean(single, axis=0))
    assert both.gap < 0.05


def test_ranks_are_uniform_with_ties_and_have_the_closed_form(rng: np.random.Generator) -> None:
    draws = np.tile(np.arange(4.0), (3, 1))
    ranks = posterior_ranks(np.array([-1.0, 1.5, 9.0]), draws, rng)
    assert np.floor(ranks * 5).tolist() == [0, 2, 4]
    constant = posterior_ranks(np.zeros(2000), np.zeros((2000, 7)), rng)
    assert uniformity_p_value(constant) > 0.01
    assert rank_histogram(np.array([0.0, 0.49, 0.5, 1.0]), 2).tolist() == [2, 2]


def test_the_error_of_a_fraction_counts_rows_and_not_cells(rng: np.random.Generator) -> None:
    hits = np.repeat(rng.random((500, 1)) < 0.8, 4, axis=1)  # four equal cells in each row
    found = clustered_fraction(hits, np.ones_like(hits))
    value = hits.mean()
    assert found.value == value
    assert found.error == pytest.approx(np.sqrt(value * (1 - value) / 499))
    assert np.isnan(clustered_fraction(hits, np.zeros_like(hits)).value)
