"""Allocation of bits to codebooks by a common water level."""

import math

import numpy as np
import pytest

from spinlock.metrics.rate_distortion import at_level
from spinlock.sizing.bit_allocation import MAX_RELATIVE_SIZE, BitAllocation, total_bits

SPECTRA = (np.array([8.0, 4.0, 1.0, 0.2]), np.array([2.0, 1.0]), np.array([0.05, 0.01]))
ALLOCATION = BitAllocation(SPECTRA)


@pytest.mark.parametrize("bits", [10.0, 18.0, 30.0, 60.0])
def test_sizes_use_nearly_all_of_the_bits_and_not_more(bits: float) -> None:
    sizes = ALLOCATION.sizes(bits, 512)
    assert total_bits(sizes) <= bits
    assert total_bits(sizes) >= bits - 9 * math.log2(1.5)


def test_categories_have_a_common_water_level() -> None:
    sizes = BitAllocation(tuple(np.full(6, variance) for variance in (1.0, 0.5))).sizes(48.0, 512)
    rates = [sum(map(math.log2, triple)) for triple in sizes]
    levels = [variance * 2 ** (-2 * rate / 6) for variance, rate in zip((1.0, 0.5), rates, strict=True)]
    assert levels[0] == pytest.approx(levels[1], rel=0.15)
    assert at_level(np.full(6, 1.0), levels[0]).bits == pytest.approx(rates[0])


def test_a_category_of_low_variance_has_the_smallest_codebooks() -> None:
    assert ALLOCATION.sizes(24.0, 512)[2] == (2, 2, 2)


def test_codebook_sizes_are_limited_by_the_cap_and_by_the_equal_size() -> None:
    assert max(max(sizes) for sizes in ALLOCATION.sizes(60.0, 20)) <= 20
    equal = 2 ** (18.0 / 9)
    assert max(max(sizes) for sizes in ALLOCATION.sizes(18.0, 512)) <= round(MAX_RELATIVE_SIZE * equal)


def test_every_codebook_has_at_least_two_codes() -> None:
    assert ALLOCATION.sizes(1.0, 512) == [(2, 2, 2)] * 3


def test_spectra_are_computed_from_the_covariance_of_all_columns() -> None:
    covariance = np.diag([3.0, 1.0, 2.0])
    spectra = BitAllocation.of(covariance, [(0, 2), (1,)]).spectra
    np.testing.assert_allclose(np.concatenate(spectra), [2.0, 3.0, 1.0])
