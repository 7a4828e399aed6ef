"""Split of the operators into four parts, each for one purpose.

======== =========================================================
fit      the weights of the network
choose   the epoch of each member, and the temperature
calibrate the widths of the intervals
evaluate the final metrics, and nothing else
======== =========================================================

Conformal intervals are valid for operators that are exchangeable with the calibrate operators. The tokenizer was fitted
on its training operators, and their tokens can be better than those of new operators. Therefore operators that the
tokenizer has not seen are never fitted or used for choice as long as the last two parts have room for them, and these
two parts have the same fraction of them.

Letters: ``N`` operators.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.config.ano import ANODataSettings

Indices = NDArray[np.int64]

PARTS = ("fit", "choose", "calibrate", "evaluate")


@dataclass(frozen=True)
class OperatorSplit:
    """Sorted indices of the operators of each part."""

    fit: Indices
    choose: Indices
    calibrate: Indices
    evaluate: Indices

    @property
    def sizes(self) -> dict[str, int]:
        """{part: number of operators}."""
        return {part: len(getattr(self, part)) for part in PARTS}


def split_operators(family: NDArray[np.int64], seen: NDArray[np.bool_], settings: ANODataSettings) -> OperatorSplit:
    """Split the operators of each family by the fractions of the configuration.

    Parameters
    ----------
    family
        Index [N] of the family of each operator.
    seen
        Whether the tokenizer was fitted on each operator, [N]. If it was fitted on none, all are exchangeable and
        count as seen.
    settings
        Fractions and seed.

    Returns
    -------
    OperatorSplit
    """
    if not seen.any():
        seen = np.ones_like(seen)
    rng = np.random.default_rng(settings.split_seed)
    parts: dict[str, list[Indices]] = {part: [] for part in PARTS}
    for index in range(int(family.max()) + 1):
        members = rng.permutation(np.flatnonzero(family == index))
        ordered = members[np.argsort(~seen[members], kind="stable")]  # seen operators first
        count = len(ordered)
        last = max(1, round(count * settings.calibrate_fraction)) + max(1, round(count * settings.evaluate_fraction))
        choose = max(1, round(count * settings.choose_fraction))
        start_last = max(0, count - last)
        start_choose = max(0, start_last - choose)
        parts["fit"].append(ordered[:start_choose])
        parts["choose"].append(ordered[start_choose:start_last])
        share = settings.calibrate_fraction / (settings.calibrate_fraction + settings.evaluate_fraction)
        for group in (True, False):
            dealt = rng.permutation(ordered[start_last:][seen[ordered[start_last:]] == group])
            cut = int(share * len(dealt) + rng.random())  # rounded at random, so that no part is favored
            parts["calibrate"].append(dealt[:cut])
            parts["evaluate"].append(dealt[cut:])
    return OperatorSplit(**{part: np.sort(np.concatenate(values)) for part, values in parts.items()})
