"""Mutual information of tokens with an attribute, compared with that of permuted attributes.

With few rows the mutual information of unrelated variables is above zero. Permutations of the attribute show how far.
An attribute has one value for each operator, so that the values of the operators are permuted, and not those of the
rows.

Letters: ``m`` rows, ``T`` token columns, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinlock.evaluation.discriminability.attributes import Attribute
from spinlock.evaluation.reference import KnownRows
from spinlock.evaluation.rows import Tokens
from spinlock.metrics.information import (
    entropy_bits,
    joint_codes,
    mutual_information,
    normalized_mutual_information,
)
from spinlock.model import LEVELS

PERMUTATIONS = 40
"""Number of permutations."""

MAX_KNOWN_ROWS = 4000
"""Maximum number of rows on which mutual information is measured."""


@dataclass(frozen=True)
class Information:
    """Mutual information of some tokens with an attribute.

    Attributes
    ----------
    bits
        Mutual information of the rows, in bits.
    null, null_95
        Mean and 95th percentile of the mutual information of permuted attributes.
    """

    bits: float
    null: float
    null_95: float

    @property
    def excess(self) -> float:
        """Mutual information above that of permuted attributes, at least 0."""
        return max(0.0, self.bits - self.null)

    @property
    def is_significant(self) -> bool:
        """Whether it is above that of 95 % of the permuted attributes."""
        return self.bits > self.null_95


@dataclass(frozen=True)
class CategoryInformation:
    """What the tokens of one category say about an attribute.

    Attributes
    ----------
    by_token
        Information of the token of each level alone.
    cumulative
        Information of the tokens of the first one, two and three levels together.
    normalized
        Normalized mutual information of the first token, I / mean of both entropies, as in scikit-learn.
    adjusted
        (I - null) / (H - null) of the first token with the entropy H of the attribute, at least 0: the fraction of the
        attribute that the token determines, corrected for chance.
    """

    by_token: tuple[Information, ...]
    cumulative: tuple[Information, ...]
    normalized: float
    adjusted: float


def category_information(known: KnownRows, attribute: Attribute, seed: int) -> dict[str, CategoryInformation]:
    """Measure the mutual information of the tokens of each category with an attribute.

    Parameters
    ----------
    known
        Rows with their tokens.
    attribute
        A label or a parameter of these rows. Numbers are divided into eight bins.
    seed
        Seed of the sample of rows and of the permutations.

    Returns
    -------
    dict
        {category: information}.
    """
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(np.flatnonzero(attribute.present))[:MAX_KNOWN_ROWS])
    codes = joint_codes(attribute.codes[chosen][:, None])
    permuted = _permutations(codes, known.operators[chosen], random)
    entropy = entropy_bits(codes)
    return {
        name: _of_category(known.tokens[chosen, c], codes, permuted, entropy)
        for c, name in enumerate(known.category_names)
    }


def information(tokens: Tokens, codes: Tokens, permuted: list[Tokens]) -> Information:
    """Return the mutual information of one variable [m] with an attribute [m] and with its permutations."""
    null = [mutual_information(tokens, each) for each in permuted]
    return Information(mutual_information(tokens, codes), float(np.mean(null)), float(np.quantile(null, 0.95)))


def _of_category(tokens: Tokens, codes: Tokens, permuted: list[Tokens], entropy: float) -> CategoryInformation:
    by_token = tuple(information(tokens[:, level], codes, permuted) for level in range(LEVELS))
    prefixes = [joint_codes(tokens[:, : level + 1]) for level in range(1, LEVELS)]
    first = by_token[0]
    room = entropy - first.null
    return CategoryInformation(
        by_token=by_token,
        cumulative=(first, *(information(prefix, codes, permuted) for prefix in prefixes)),
        normalized=normalized_mutual_information(tokens[:, 0], codes),
        adjusted=min(1.0, first.excess / room) if room > 1e-9 else 0.0,
    )


def _permutations(codes: Tokens, operators: Tokens, random: np.random.Generator) -> list[Tokens]:
    """Return the values [m] of an attribute after permutations of the values of the operators [m]."""
    _, first, positions = np.unique(operators, return_index=True, return_inverse=True)
    values = codes[first]
    return [random.permutation(values)[positions] for _ in range(PERMUTATIONS)]
