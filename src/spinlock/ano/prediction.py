"""What a model predicts from tokens.

Letters: ``N`` rows, ``F`` families, ``P`` parameters of all families together, ``L`` levels, ``k`` candidates, ``S``
samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """Operators that are drawn from the posterior.

    Attributes
    ----------
    family
        Index [N, S] of the family.
    parameters
        Physical values [N, S, P]; NaN for parameters of other families.
    """

    family: NDArray[np.int64]
    parameters: Floats


@dataclass(frozen=True)
class Candidates:
    """The most plausible operators of each row, in the order of their probabilities.

    A candidate is a mode of the density of a family. Its probability is that of the family, multiplied by that of the
    region of the mode.

    Attributes
    ----------
    family
        Index [N, k] of the family; -1 if a row has fewer candidates.
    probability
        Probability [N, k].
    parameters
        Physical values [N, k, P]; NaN for parameters of other families.
    """

    family: NDArray[np.int64]
    probability: Floats
    parameters: Floats


@dataclass(frozen=True)
class Prediction:
    """Families with probabilities, and parameters of the most probable family, in physical units.

    Attributes
    ----------
    families
        Names of the F families.
    parameter_names
        Names of the P parameters.
    levels
        Probabilities of the L intervals.
    family_probability
        Probabilities [N, F].
    family
        Index [N] of the most probable family.
    median
        Medians [N, P] for this family; NaN for parameters of other families.
    interval
        Lower and upper ends [N, P, L, 2] of the intervals for this family.
    candidates
        The most plausible operators.
    """

    families: tuple[str, ...]
    parameter_names: tuple[str, ...]
    levels: tuple[float, ...]
    family_probability: Floats
    family: NDArray[np.int64]
    median: Floats
    interval: Floats
    candidates: Candidates

    def __len__(self) -> int:
        return len(self.family)

    @property
    def family_names(self) -> list[str]:
        """Names [N] of the most probable families."""
        return [self.families[index] for index in self.family.tolist()]


def joined_predictions(parts: Sequence[Prediction]) -> Prediction:
    """Return the predictions of consecutive blocks of rows as one."""
    candidates = [part.candidates for part in parts]
    return replace(
        parts[0],
        family_probability=np.concatenate([part.family_probability for part in parts]),
        family=np.concatenate([part.family for part in parts]),
        median=np.concatenate([part.median for part in parts]),
        interval=np.concatenate([part.interval for part in parts]),
        candidates=Candidates(
            **{f.name: np.concatenate([getattr(each, f.name) for each in candidates]) for f in fields(Candidates)}
        ),
    )
