"""Bits shared out by a common water level."""

import math

import numpy as np
import pytest

from spinlock.metrics.rate_distortion import at_level
from spinlock.sizing.bit_allocation import MAX_RELATIVE_SIZE, BitAllocation, total_bits

SPECTRA = (np.array([8.0, 4.0, 1.0, 0.2]), np.array([2.0, 1.0]), np.array([0.05, 0.01]))
ALLOTMENT = BitAllocation(SPECTRA)


@pytest.mark.parametrize("bits", [10.0, 18.0, 30.0, 60.0])
def test_at_most_the_bits_are_spent_and_nearly_all(bits: float) -> None:
    sizes = ALLOTMENT.sizes(bits, 512)
    assert total_bits(sizes) <= bits
    assert total_bits(sizes) >= bits - 9 * math.log2(1.5)


def test_categories_share_a_water_level() -> None:
    sizes = BitAllocation(tuple(np.full(6, variance) for variance in (1.0, 0.5))).sizes(48.0, 512)
    rates = [sum(map(math.log2, triple)) for triple in sizes]
    levels = [variance * 2 ** (-2 * rate / 6) for variance, rate in zip((1.0, 0.5), rates, strict=True)]
    assert levels[0] == pytest.approx(levels[1], rel=0.15)
    assert at_level(np.full(6, 1.0), levels[0]).bits == pytest.approx(rates[0])


def test_a_category_with_nothing_to_say_gets_the_least() -> None:
    assert ALLOTMENT.sizes(24.0, 512)[2] == (2, 2, 2)


def test_no_codebook_is_above_the_cap_nor_far_above_the_others() -> None:
    assert max(max(sizes) for sizes in ALLOTMENT.sizes(60.0, 20)) <= 20
    equal = 2 ** (18.0 / 9)
    assert max(max(sizes) for sizes in ALLOTMENT.sizes(18.0, 512)) <= round(MAX_RELATIVE_SIZE * equal)


def test_two_codes_are_the_least_whatever_the_bits() -> None:
    assert ALLOTMENT.sizes(1.0, 512) == [(2, 2, 2)] * 3


def test_from_the_covariance_of_all_columns() -> None:
    covariance = np.diag([3.0, 1.0, 2.0])
    spectra = BitAllocation.of(covariance, [(0, 2), (1,)]).spectra
    np.testing.assert_allclose(np.concatenate(spectra), [2.0, 3.0, 1.0])
