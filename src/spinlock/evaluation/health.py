"""The section *health*: how each codebook is used.

Letters: ``m`` evaluated rows, ``K`` codes of a codebook, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinlock.evaluation.reference import ReferenceRows, known_rows
from spinlock.evaluation.rows import EvaluatedRows, Tokens
from spinlock.metrics.codebook import expected_use
from spinlock.metrics.information import conditional_entropy_bits, entropy_bits
from spinlock.model import LEVELS

NO_BITS = 0.01
"""Entropy in bits below which a codebook carries no information."""

MIN_ROWS_PER_PREFIX, MIN_ROWS = 5, 100
"""Minimum mean number of rows for each combination of coarser tokens, and minimum number of rows, so that a conditional
entropy is reliable."""


@dataclass(frozen=True)
class CodebookHealth:
    """The use of one codebook.

    Attributes
    ----------
    name
        Name of its token column, ``<category>.L<level>`` with levels from 0.
    size
        Number of codes K.
    utilization, expected_utilization
        Fraction of the codes that the evaluated rows use, and 1 - (1 - 1/K)^m, which equally likely codes would show.
    perplexity, perplexity_ratio
        2^H of the evaluated rows, which is K for equally frequent codes, and this divided by K.
    entropy_bits
        Empirical entropy H of all known rows.
    dead_codes
        Codes that no known row uses.
    """

    name: str
    size: int
    utilization: float
    expected_utilization: float
    perplexity: float
    perplexity_ratio: float
    entropy_bits: float
    dead_codes: tuple[int, ...]


@dataclass(frozen=True)
class LevelEntropies:
    """Entropies of the levels of one category over all known rows, in bits.

    Attributes
    ----------
    category
        Name.
    bits
        H(L0), H(L1 | L0) and H(L2 | L0, L1). They are too small if combinations of codes have few rows.
    """

    category: str
    bits: tuple[float, ...]


@dataclass(frozen=True)
class Health:
    """Use of all codebooks.

    Attributes
    ----------
    num_known_rows
        Number of known rows: the evaluated rows and, if the table is the training table, a sample of at most
        ``max_rows`` training rows.
    codebooks
        Use of each codebook, in the order of the token columns.
    level_entropies
        Entropies of the levels of each category.
    num_dead_codes, num_codes
        Dead codes and codes of all codebooks.
    zero_bit_codebooks
        Names of the codebooks that carry no bits: one code has almost all rows.
    determined_codebooks
        Names of the codebooks whose code follows from the coarser codes of its category.
    """

    num_known_rows: int
    codebooks: tuple[CodebookHealth, ...]
    level_entropies: tuple[LevelEntropies, ...]
    num_dead_codes: int
    num_codes: int
    zero_bit_codebooks: tuple[str, ...]
    determined_codebooks: tuple[str, ...]


def measure_health(rows: EvaluatedRows, reference: ReferenceRows) -> Health:
    """Measure the use of each codebook.

    Parameters
    ----------
    rows
        Evaluated rows.
    reference
        Reference rows. If they are training rows, they are also known rows.

    Returns
    -------
    Health
    """
    known = known_rows(rows, reference).tokens
    names, spec = rows.spec.token_columns(), rows.spec
    flat = known.reshape(len(known), -1)
    sizes = [size for sizes in spec.num_codes for size in sizes]
    codebooks = tuple(
        _codebook(name, size, rows.flat_tokens[:, t], flat[:, t])
        for t, (name, size) in enumerate(zip(names, sizes, strict=True))
    )
    levels = tuple(LevelEntropies(name, tuple(_level_bits(known[:, c]))) for c, name in enumerate(spec.category_names))
    zero = tuple(codebook.name for codebook in codebooks if codebook.entropy_bits < NO_BITS)
    determined = tuple(
        f"{name}.L{level}"
        for c, name in enumerate(spec.category_names)
        for level in range(1, LEVELS)
        if _is_determined(known[:, c], level) and f"{name}.L{level}" not in zero
    )
    return Health(
        num_known_rows=len(known),
        codebooks=codebooks,
        level_entropies=levels,
        num_dead_codes=sum(len(codebook.dead_codes) for codebook in codebooks),
        num_codes=sum(sizes),
        zero_bit_codebooks=zero,
        determined_codebooks=determined,
    )


def _codebook(name: str, size: int, evaluated: Tokens, known: Tokens) -> CodebookHealth:
    perplexity = 2.0 ** entropy_bits(evaluated)
    return CodebookHealth(
        name=name,
        size=size,
        utilization=len(np.unique(evaluated)) / size,
        expected_utilization=float(expected_use(np.array([size]), len(evaluated))[0]),
        perplexity=perplexity,
        perplexity_ratio=perplexity / size,
        entropy_bits=entropy_bits(known),
        dead_codes=tuple(np.setdiff1d(np.arange(size), known).tolist()),
    )


def _level_bits(tokens: Tokens) -> list[float]:
    """Return the entropy of each level of the tokens [m, L] of one category, given the coarser levels."""
    return [conditional_entropy_bits(tokens[:, level], tokens[:, :level]) for level in range(tokens.shape[1])]


def _is_determined(tokens: Tokens, level: int) -> bool:
    """Return whether a level follows from the coarser levels, if there are enough rows to say so."""
    prefixes = len(np.unique(tokens[:, :level], axis=0))
    enough = len(tokens) >= max(MIN_ROWS, MIN_ROWS_PER_PREFIX * prefixes)
    return enough and conditional_entropy_bits(tokens[:, level], tokens[:, :level]) < NO_BITS
