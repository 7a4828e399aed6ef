"""Split of the operators into four parts, each for one purpose.

=========== ==========================================================
train       the principal axes, the regression and the weights
validation  the epoch of each part of each member, and the temperature
calibration the widths of the intervals
test        the final metrics
=========== ==========================================================

Conformal intervals are valid for operators that are exchangeable with the calibration operators. The operators on which
the tokenizer was fitted can have better tokens than new operators. Therefore operators that the tokenizer has not seen
are in the last two parts as long as these have room for them, and both parts have the same fraction of them.

Letters: ``N`` operators.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.config.ano import ANODataSettings

Indices = NDArray[np.int64]

PARTS = ("train", "validation", "calibration", "test")


@dataclass(frozen=True)
class OperatorSplit:
    """Sorted indices of the operators of each part."""

    train: Indices
    validation: Indices
    calibration: Indices
    test: Indices

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
        last = max(1, round(count * settings.calibration_fraction)) + max(1, round(count * settings.test_fraction))
        validation = max(1, round(count * settings.validation_fraction))
        start_last = max(0, count - last)
        start_validation = max(0, start_last - validation)
        parts["train"].append(ordered[:start_validation])
        parts["validation"].append(ordered[start_validation:start_last])
        share = settings.calibration_fraction / (settings.calibration_fraction + settings.test_fraction)
        for group in (True, False):
            dealt = rng.permutation(ordered[start_last:][seen[ordered[start_last:]] == group])
            cut = int(share * len(dealt) + rng.random())  # rounded at random, so that no part is favored
            parts["calibration"].append(dealt[:cut])
            parts["test"].append(dealt[cut:])
    return OperatorSplit(**{part: np.sort(np.concatenate(values)) for part, values in parts.items()})
