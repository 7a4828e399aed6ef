"""Temperature scaling and conformal intervals."""

import math

import numpy as np
import pytest
from scipy.special import ndtr, softmax

from spinlock.ano.calibration.conformal import (
    LEVELS,
    MAX_HALF_WIDTH,
    MIN_OPERATORS,
    ConformalWidths,
    conformal_quantile,
)
from spinlock.ano.calibration.temperature import fit_temperature, negative_log_likelihood
from spinlock.metrics.calibration import expected_calibration_error


def drawn_labels(rng: np.random.Generator, logits: np.ndarray) -> np.ndarray:
    """One label for each row, with the probabilities of the logits."""
    return (softmax(logits, axis=1).cumsum(axis=1) < rng.random((len(logits), 1))).sum(axis=1)


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_the_temperature_of_overconfident_logits_is_recovered(rng: np.random.Generator, true: float) -> None:
    logits = rng.standard_normal((8000, 5)) * 2
    labels = drawn_labels(rng, logits)
    found = fit_temperature(logits * true, labels)
    assert found == pytest.approx(true, rel=0.06)
    assert negative_log_likelihood(logits * true, labels, found) <= negative_log_likelihood(logits * true, labels, 1.0)
    assert expected_calibration_error(softmax(logits * true / found, axis=1), labels) < 0.025


def test_rows_that_are_all_correct_do_not_make_the_probabilities_one() -> None:
    """With one row of both labels among 100 rows, the best probability is 1 - 1 / 202 = 0.995."""
    logits, labels = np.tile([4.0, 0.0], (100, 1)), np.zeros(100, dtype=int)
    found = fit_temperature(logits, labels)
    assert softmax(logits[0] / found)[0] == pytest.approx(1 - 0.5 / 101, abs=1e-4)


def test_the_calibration_error_is_the_gap_between_accuracy_and_confidence() -> None:
    probability = np.array([[0.9, 0.1]] * 10)
    labels = np.array([0] * 7 + [1] * 3)
    assert expected_calibration_error(probability, labels) == pytest.approx(0.2)


def test_the_conformal_quantile_counts_the_new_row() -> None:
    scores = np.arange(1, 10) / 20
    assert conformal_quantile(scores, 0.5) == 0.25  # the fifth of nine
    assert conformal_quantile(scores, 0.9) == 0.45
    assert conformal_quantile(scores[:5], 0.9) == MAX_HALF_WIDTH


@pytest.mark.parametrize(("bias", "scale"), [(0.0, 1.0), (0.8, 1.0), (0.0, 0.4), (0.0, 2.5)])
def test_intervals_are_valid_for_exchangeable_operators_whatever_the_density(
    rng: np.random.Generator, bias: float, scale: float
) -> None:
    """The predicted density is N(bias, scale^2), and the truth N(0, 1). The mean over draws is at least the level."""
    inside = np.zeros(len(LEVELS))
    draws, new = 300, 200
    for _ in range(draws):
        scores = np.abs(ndtr((rng.standard_normal(59 + new) - bias) / scale) - 0.5)
        inside += [np.mean(scores[59:] <= conformal_quantile(scores[:59], level)) for level in LEVELS]
    for level, found in zip(LEVELS, inside / draws, strict=True):
        expected = math.ceil(60 * level) / 60
        assert found == pytest.approx(expected, abs=4 * math.sqrt(level * (1 - level) / draws * (1 / 59 + 1 / new)))


def test_a_family_with_few_operators_shares_its_widths(rng: np.random.Generator) -> None:
    wide, narrow = rng.random(MIN_OPERATORS) / 2, rng.random(MIN_OPERATORS - 1) / 10
    widths = ConformalWidths.fit([wide, narrow], [len(wide), len(narrow)])
    shared = np.concatenate([wide, narrow])
    assert widths.half_widths[0].tolist() == [conformal_quantile(wide, level) for level in LEVELS]
    assert widths.half_widths[1].tolist() == [conformal_quantile(shared, level) for level in LEVELS]
    restored = ConformalWidths.from_dict(widths.to_dict())
    np.testing.assert_array_equal(restored.half_widths, widths.half_widths)
