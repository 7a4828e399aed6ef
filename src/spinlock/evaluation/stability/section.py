"""The section *stability*: which tokens survive a second encoding, noise, and other realizations.

Letters: ``m`` rows, ``D`` input columns, ``U`` kept columns, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinlock.evaluation.rows import EvaluatedRows, Tokens
from spinlock.io.arrays.row_precision import RawRows

NOISE = (0.01, 0.05)
"""Standard deviations of the noise, relative to that of each column."""

MAX_ROWS = 4000
"""Maximum number of rows that are encoded again."""


@dataclass(frozen=True)
class Survival:
    """Fractions of the tokens that do not change.

    Attributes
    ----------
    all
        Over all tokens.
    by_level
        Over the tokens of each level.
    by_category
        {category: over its tokens}.
    unchanged_rows
        Fraction of the rows of which no token changes.
    """

    all: float
    by_level: tuple[float, ...]
    by_category: dict[str, float]
    unchanged_rows: float


@dataclass(frozen=True)
class NoiseSurvival:
    """Survival of the tokens under Gaussian noise of ``noise`` standard deviations of each column."""

    noise: float
    survival: Survival


@dataclass(frozen=True)
class RealizationSurvival:
    """Agreement of the tokens of the two halves of the realizations of each operator.

    Attributes
    ----------
    survival
        Fractions of equal tokens.
    num_operators
        Number of operators that are compared.
    num_realizations
        Number of realizations of each operator.
    num_columns
        Number of columns that differ between the halves. The other ones are statistics over all realizations, whose
        halves the file does not have; they are the same in both halves.
    """

    survival: Survival
    num_operators: int
    num_realizations: int
    num_columns: int


@dataclass(frozen=True)
class Stability:
    """Stability of the tokens.

    Attributes
    ----------
    num_rows
        Number of rows that are encoded again.
    idempotence
        Survival of decoding to raw units and encoding again.
    noise
        Survival of noise of 1 and 5 %.
    realizations
        Agreement of the halves of the realizations. None for rows in memory, for rows of single time steps, and for a
        file with fewer than two realizations or without a column that is a mean over them.
    """

    num_rows: int
    idempotence: Survival
    noise: tuple[NoiseSurvival, ...]
    realizations: RealizationSurvival | None


@dataclass(frozen=True, eq=False)
class RealizationHalves:
    """Raw rows [m, D] of operators from each half of their realizations; see :class:`RealizationSurvival`."""

    first: RawRows
    second: RawRows
    num_realizations: int
    num_columns: int


def measure_stability(rows: EvaluatedRows, halves: RealizationHalves | None, seed: int) -> Stability:
    """Encode rows again.

    Parameters
    ----------
    rows
        Evaluated rows.
    halves
        Rows from each half of the realizations, or None.
    seed
        Seed of the sample of rows and of the noise.

    Returns
    -------
    Stability
    """
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(len(rows))[:MAX_ROWS])
    tokens, raw, coder = rows.tokens[chosen], rows.raw[chosen], rows.coder
    names = rows.spec.category_names
    kept, scale = coder.cleaner.kept, coder.cleaner.std
    noisy = []
    for noise in NOISE:
        changed = raw.astype(np.float64)
        changed[:, kept] += noise * scale * random.standard_normal((len(raw), len(kept)))
        noisy.append(NoiseSurvival(noise, survival(tokens, coder.tokens(changed), names)))
    return Stability(
        num_rows=len(chosen),
        idempotence=survival(tokens, coder.tokens(coder.decode(tokens)), names),
        noise=tuple(noisy),
        realizations=_realizations(rows, halves),
    )


def survival(first: Tokens, second: Tokens, names: tuple[str, ...]) -> Survival:
    """Return the fractions of tokens [m, C, L] that are equal in two encodings."""
    equal = first == second
    return Survival(
        all=float(equal.mean()),
        by_level=tuple(equal.mean((0, 1)).tolist()),
        by_category=dict(zip(names, equal.mean((0, 2)).tolist(), strict=True)),
        unchanged_rows=float(equal.all((1, 2)).mean()),
    )


def _realizations(rows: EvaluatedRows, halves: RealizationHalves | None) -> RealizationSurvival | None:
    if halves is None:
        return None
    first, second = rows.coder.tokens(halves.first), rows.coder.tokens(halves.second)
    return RealizationSurvival(
        survival(first, second, rows.spec.category_names),
        num_operators=len(first),
        num_realizations=halves.num_realizations,
        num_columns=halves.num_columns,
    )
