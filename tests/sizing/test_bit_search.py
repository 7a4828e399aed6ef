"""The search for the fewest bits that reach a quality, on curves with a known solution."""

import math
from collections.abc import Callable

import pytest

from spinlock.sizing.bit_search import MAX_TRIALS, BitSearch
from spinlock.sizing.trials import SizeTrial


def trials_with_quality(quality: Callable[[float], float]) -> Callable[[float], SizeTrial]:
    """Trials of one codebook of 2^bits codes, with a quality that is a function of the bits."""
    return lambda bits: SizeTrial(((round(2**bits), 2, 2),), ((4, 4, 4),), 0.01, quality(bits), 0.9, 0.9, 1.0)


@pytest.mark.parametrize("start", [4.0, 9.0, 15.0])
@pytest.mark.parametrize("target", [0.6, 0.9])
def test_the_fewest_bits_are_found_on_an_exponential_curve(start: float, target: float) -> None:
    search = BitSearch(trials_with_quality(lambda bits: 1 - 2 ** (-bits / 3)), target, max_bits=20.0)
    search.run(start)
    fewest = min(bits for bits, trial in search.trials.items() if trial.quality >= target)
    assert fewest == pytest.approx(-3 * math.log2(1 - target), rel=0.03)


def test_an_unreachable_target_ends_at_the_limit_of_bits() -> None:
    search = BitSearch(trials_with_quality(lambda bits: 1 - 2 ** (-bits / 3)), 0.99, max_bits=12.0)
    trials = search.run(6.0)
    assert max(search.trials) == 12.0
    assert len(trials) <= MAX_TRIALS


def test_smallest_codebooks_end_the_search() -> None:
    calls = []

    def smallest(bits: float) -> SizeTrial:
        calls.append(bits)
        return SizeTrial(((2, 2, 2),), ((4, 4, 4),), 0.01, 0.95, 0.9, 0.9, 1.0)

    BitSearch(smallest, 0.9, max_bits=20.0).run(10.0)
    assert len(calls) == 2


def test_no_bits_are_tried_twice() -> None:
    calls = []

    def jagged(bits: float) -> SizeTrial:
        calls.append(bits)
        return trials_with_quality(lambda b: 0.8 + 0.02 * math.sin(5 * b))(bits)

    BitSearch(jagged, 0.8, max_bits=20.0).run(10.0)
    assert len(set(calls)) == len(calls) <= MAX_TRIALS
