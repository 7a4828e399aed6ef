"""How well labels, parameters and tokens follow the neighborhoods."""

import numpy as np
import pytest

from spinlock.evaluation.codebooks.colorings import (
    OtherOperatorNeighbors,
    best_label,
    color_by_attribute,
    color_by_token,
    rank_fractions,
)
from spinlock.evaluation.codebooks.row_maps import MapNeighbors
from spinlock.evaluation.discriminability.attributes import Attribute, make_attribute

LINE = MapNeighbors(np.array([[1, 2], [0, 2], [1, 3], [2, 1]]), np.ones((4, 2)))
"""Four rows, each with two neighbors."""


def test_agreement_is_the_mean_fraction_of_neighbors_with_the_same_code() -> None:
    others = OtherOperatorNeighbors.of(LINE, np.arange(4))
    agreement, chance = others.agreement(np.array([0, 0, 1, 1]))
    assert agreement == pytest.approx(np.mean([1 / 2, 1 / 2, 1 / 2, 1 / 2]))
    assert chance == pytest.approx(0.5)


def test_rows_of_the_same_operator_and_missing_values_do_not_count() -> None:
    others = OtherOperatorNeighbors.of(LINE, np.array([0, 0, 1, 1]))
    assert others.agreement(np.array([0, 0, 1, 1]))[0] == 0.0
    assert others.agreement(np.array([0, 0, 0, -1])) == (1.0, 1.0)
    assert np.isnan(others.agreement(np.full(4, -1))).all()


def test_the_correlation_is_that_of_ranks() -> None:
    random = np.random.default_rng(0)
    numbers = np.sort(random.standard_normal(50))
    indices = np.clip(np.arange(50)[:, None] + np.array([-1, 1]), 0, 49)
    others = OtherOperatorNeighbors.of(MapNeighbors(indices, np.ones((50, 2))), np.arange(50))
    assert others.correlation(numbers) > 0.99
    assert others.correlation(np.exp(10 * numbers)) == pytest.approx(others.correlation(numbers))
    assert np.isnan(others.correlation(np.ones(50)))
    np.testing.assert_allclose(rank_fractions(np.array([3.0, np.nan, 1.0, 3.0])), [0.75, np.nan, 0.0, 0.75])


def made(name: str, values: np.ndarray) -> Attribute:
    attribute = make_attribute(name, values)
    assert isinstance(attribute, Attribute)
    return attribute


def test_the_best_label_follows_the_neighborhoods_most() -> None:
    random = np.random.default_rng(0)
    group = np.arange(60) // 30
    indices = np.array([[j + 1 if j % 2 == 0 else j - 1] for j in range(60)])
    others = OtherOperatorNeighbors.of(MapNeighbors(indices, np.ones((60, 1))), np.arange(60))
    labels = [made("noise", random.integers(2, size=60)), made("group", group), made("size", random.random(60))]
    colorings = [color_by_attribute(label, np.arange(60), others) for label in labels]
    best = best_label(colorings)
    assert best is not None
    assert (best.name, best.excess) == ("group", 1.0)
    assert best_label(colorings[2:]) is None


def test_tokens_have_the_ranks_of_their_codes() -> None:
    coloring = color_by_token(
        "a.L0", np.array([0, 2, 2, 1]), np.array([2, 0, 1]), OtherOperatorNeighbors.of(LINE, np.arange(4))
    )
    assert coloring.numbers.tolist() == [2, 1, 1, 0]
    assert coloring.classes == ("0", "1", "2")
