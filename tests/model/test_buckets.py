"""Buckets of categories against an exhaustive search."""

from itertools import pairwise, product

import numpy as np
import pytest

from spinlock.model import ModelSpec
from spinlock.model.buckets import BUCKET_COST, bucket_sizes, slices


def cost(widths: list[int], sizes: tuple[int, ...]) -> int:
    return sum(BUCKET_COST + len(widths[each]) * widths[each.start] for each in slices(sizes))


def compositions(count: int) -> list[tuple[int, ...]]:
    """All compositions of ``count``."""
    ways = []
    for cuts in product((False, True), repeat=count - 1):
        ends = [0, *(i + 1 for i, cut in enumerate(cuts) if cut), count]
        ways.append(tuple(b - a for a, b in pairwise(ends)))
    return ways


@pytest.mark.parametrize("seed", range(8))
def test_the_buckets_have_the_lowest_cost(seed: int) -> None:
    rng = np.random.default_rng(seed)
    widths = sorted((int(width) for width in rng.integers(1, 200, rng.integers(1, 10))), reverse=True)
    selected = bucket_sizes(widths)
    assert sum(selected) == len(widths)
    assert cost(widths, selected) == min(cost(widths, way) for way in compositions(len(widths)))


@pytest.mark.parametrize(
    ("widths", "expected"),
    [([5], (1,)), ([36] * 10, (10,)), ([32, 20, 1], (3,)), ([124, 8, 8], (1, 2)), ([300, 4], (1, 1))],
)
def test_categories_of_similar_width_share_a_bucket(widths: list[int], expected: tuple[int, ...]) -> None:
    assert bucket_sizes(widths) == expected


def test_buckets_of_many_categories_cost_less_than_one_bucket_or_a_bucket_for_each() -> None:
    widths = list(range(300, 0, -1))
    selected = bucket_sizes(widths)
    assert cost(widths, selected) < min(cost(widths, (300,)), cost(widths, (1,) * 300))


def test_buckets_depend_on_the_mean_of_columns_and_embedding_width() -> None:
    ends = [0, 300, 390, 400, 410]
    groups = tuple(tuple(range(a, b)) for a, b in pairwise(ends))
    spec = ModelSpec(tuple("abcd"), groups, 100, 10, ((4, 4, 4),) * 4, ((2, 2, 2),) * 4)
    assert spec.bucket_sizes == bucket_sizes([200, 91, 11, 11]) == (1, 1, 2)
    assert spec.buckets == [slice(0, 1), slice(1, 2), slice(2, 4)]
    assert ModelSpec.from_state(spec.state()) == spec
