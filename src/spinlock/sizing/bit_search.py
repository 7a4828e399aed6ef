"""Search for the smallest number of bits at which the expected quality reaches its target.

log(1 - quality) is nearly a linear function of the bits. The search is a safeguarded secant method: the next trial is
at the bits at which the line through two trials reaches the target, inside the interval that contains the solution.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from spinlock.sizing.trials import SizeTrial

BITS_GROWTH = 1.25
"""Ratio between the bits of the first two trials."""

MIN_RELATIVE_STEP = 0.98
"""Ratio of the bits of two trials above which they are not distinguished, so that the search ends."""

MAX_TRIALS = 7
"""Maximum number of trials of a search."""


@dataclass
class BitSearch:
    """Search over the bits per row.

    Parameters
    ----------
    try_bits
        Function that tries codebook sizes for a maximum number of bits. The sizes may have fewer bits, since numbers of
        codes are integers.
    target_quality
        Quality that the sizes have to reach.
    max_bits
        Upper limit of the bits.
    trials
        Finished trials by the maximum number of bits.
    """

    try_bits: Callable[[float], SizeTrial]
    target_quality: float
    max_bits: float
    trials: dict[float, SizeTrial] = field(default_factory=dict)

    def run(self, start: float) -> list[SizeTrial]:
        """Start the search at ``start`` bits, and return all trials."""
        bits = min(start, self.max_bits)
        while bits not in self.trials and len(self.trials) < MAX_TRIALS:
            self.trials[bits] = self.try_bits(bits)
            bits = self._next_bits()
        return list(self.trials.values())

    def _next_bits(self) -> float:
        """Return the bits of the next trial, or those of a previous trial when the search is finished."""
        trials = self.trials
        reached = [bits for bits, trial in trials.items() if trial.quality >= self.target_quality]
        missed = [bits for bits, trial in trials.items() if trial.quality < self.target_quality]
        previous, latest = [*trials, *trials][-2:]
        if not missed:
            high = min(reached)
            if len(trials) > 1 and trials[previous].num_codes == trials[latest].num_codes:
                return high  # the codebooks have their minimum size
            bits = high / BITS_GROWTH if len(trials) == 1 else self._crossing(previous, latest)
            return float(np.clip(bits, high / BITS_GROWTH**3, high * MIN_RELATIVE_STEP))
        low = max(missed)
        if not reached:
            bits = BITS_GROWTH * low if len(trials) == 1 else self._crossing(previous, latest)
            return min(self.max_bits, float(np.clip(bits, low / MIN_RELATIVE_STEP, low * BITS_GROWTH**3)))
        high = min(reached)
        if low > MIN_RELATIVE_STEP * high:
            return high
        step = (1 - MIN_RELATIVE_STEP) * high / 2
        return float(np.clip(self._crossing(low, high), low + step, high - step))

    def _crossing(self, first: float, second: float) -> float:
        """Return the bits at which the line through log(1 - quality) of two trials reaches the target."""
        log_first, log_second = (math.log(max(1e-9, 1 - self.trials[bits].quality)) for bits in (first, second))
        slope = min((log_second - log_first) / (second - first), -1e-9)
        log_target = math.log(max(1e-9, 1 - self.target_quality))
        return second + (log_target - log_second) / slope
