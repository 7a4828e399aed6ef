"""Entropies and mutual information against scikit-learn, SciPy and closed forms."""

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score, normalized_mutual_info_score

from spinlock.metrics.information import (
    conditional_entropy_bits,
    entropy_bits,
    joint_codes,
    mutual_information,
    normalized_mutual_information,
)


@pytest.fixture
def variables(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    first = rng.integers(7, size=500)
    return first, (first + rng.integers(3, size=500)) % 5


def test_entropy_is_that_of_scipy(variables: tuple[np.ndarray, np.ndarray]) -> None:
    first = variables[0]
    assert entropy_bits(first) == pytest.approx(entropy(np.bincount(first), base=2), abs=1e-9)
    assert entropy_bits(np.zeros(9, dtype=np.int64)) == 0
    assert entropy_bits(np.arange(8)) == pytest.approx(3)


def test_mutual_information_is_that_of_scikit_learn(variables: tuple[np.ndarray, np.ndarray]) -> None:
    assert mutual_information(*variables) == pytest.approx(mutual_info_score(*variables) / np.log(2), abs=1e-9)
    assert normalized_mutual_information(*variables) == pytest.approx(
        normalized_mutual_info_score(*variables), abs=1e-9
    )


def test_mutual_information_of_a_function_is_its_entropy(variables: tuple[np.ndarray, np.ndarray]) -> None:
    first = variables[0]
    assert mutual_information(first, first % 3) == pytest.approx(entropy_bits(first % 3), abs=1e-9)
    constant = np.zeros(500, dtype=np.int64)
    assert mutual_information(first, constant) == 0
    assert normalized_mutual_information(constant, constant) == normalized_mutual_info_score(constant, constant) == 1


def test_conditional_entropy_is_the_mean_entropy_of_the_groups(variables: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = variables
    groups = [second[first == value] for value in range(7)]
    expected = sum(len(group) / 500 * entropy(np.bincount(group), base=2) for group in groups)
    assert conditional_entropy_bits(second, first[:, None]) == pytest.approx(expected, abs=1e-9)
    assert conditional_entropy_bits(second, np.empty((500, 0), dtype=np.int64)) == pytest.approx(entropy_bits(second))


def test_joint_codes_number_the_distinct_rows(rng: np.random.Generator) -> None:
    rows = rng.integers(3, size=(200, 4))
    codes = joint_codes(rows)
    _, expected = np.unique(rows, axis=0, return_inverse=True)
    np.testing.assert_array_equal(codes, expected.ravel())
