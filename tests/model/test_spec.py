"""Sizes of a model: latent widths, bits per row, token columns, and the round trip of the state."""

import json
import math
from dataclasses import replace

import pytest

from spinlock.model import ModelSpec, latent_dims
from spinlock.model.spec import ceil4
from tests.model.specs import small_spec


@pytest.mark.parametrize(("value", "rounded"), [(0.1, 4), (4, 4), (4.01, 8), (63, 64), (189, 192)])
def test_ceil4_rounds_up_to_a_multiple_of_four(value: float, rounded: int) -> None:
    assert ceil4(value) == rounded


@pytest.mark.parametrize(
    ("columns", "embedding", "ratios", "dims"),
    [
        (400, 126, (0.5, 1.0, 1.5), (64, 128, 192)),  # the production values
        (10, 126, (0.5, 1.0, 1.5), (12, 12, 12)),  # at most the number of columns, rounded up
        (100, 126, (0.5, 1.0, 1.5), (64, 100, 100)),
        (1, 126, (0.5, 1.0, 1.5), (4, 4, 4)),
        (400, 8, (0.1, 0.5, 1.0), (4, 4, 8)),  # at least four
    ],
)
def test_latent_dims_follow_the_ratios_and_the_number_of_columns(
    columns: int, embedding: int, ratios: tuple[float, float, float], dims: tuple[int, ...]
) -> None:
    assert latent_dims(columns, embedding, ratios) == dims


def test_bits_per_row_and_number_of_columns() -> None:
    spec = small_spec()
    assert spec.bits_per_row == pytest.approx(math.log2(5 * 7 * 3 * 2 * 4 * 8 * 6 * 2 * 5 * 3 * 3 * 4))
    assert (spec.num_categories, spec.num_columns) == (4, 51)


def test_token_columns_are_ordered_by_category_and_level() -> None:
    assert small_spec().token_columns() == [
        *("a.L0", "a.L1", "a.L2"),
        *("b.L0", "b.L1", "b.L2"),
        *("c.L0", "c.L1", "c.L2"),
        *("d.L0", "d.L1", "d.L2"),
    ]


def test_the_state_survives_a_json_round_trip() -> None:
    spec = small_spec()
    assert ModelSpec.from_state(json.loads(json.dumps(spec.state()))) == spec
    assert ModelSpec.from_state(spec.state()) == spec


def test_a_column_in_two_categories_is_an_assertion_error() -> None:
    with pytest.raises(AssertionError, match="exactly one category"):
        replace(small_spec(), groups=((0, 1), (1, 2), (3,), (4,)))


def test_categories_must_be_ordered_by_size() -> None:
    with pytest.raises(AssertionError, match="ordered by size"):
        replace(small_spec(), groups=((0,), (1, 2), (3,), (4,)))
