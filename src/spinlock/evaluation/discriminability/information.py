"""Mutual information of tokens with an attribute, beside that of permuted attributes.

With few rows the mutual information of unrelated variables is above zero. The permutations, which keep all rows of an
operator together, show how far.

Letters: ``m`` rows, ``T`` token columns, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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

MAX_ROWS = 4000
"""Maximum number of rows."""


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
        A label or a parameter of these rows; of numbers, eight bins are used.
    seed
        Seed of the sample of rows and of the permutations.

    Returns
    -------
    dict
        {category: information}.
    """
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(np.flatnonzero(attribute.present))[:MAX_ROWS])
    codes = joint_codes(attribute.codes[chosen][:, None])
    permuted = [codes[order] for order in _permutations(known.operators[chosen], random)]
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


def _permutations(operators: Tokens, random: np.random.Generator) -> list[NDArray[np.int64]]:
    """Return permutations of the rows [m] in which the operators change places with operators of as many rows."""
    distinct, positions, counts = np.unique(operators, return_inverse=True, return_counts=True)
    if len(distinct) == len(operators) or len(np.unique(counts)) > 1:
        return [random.permutation(len(operators)) for _ in range(PERMUTATIONS)]
    blocks = np.argsort(positions, kind="stable").reshape(len(distinct), -1)
    orders = []
    for _ in range(PERMUTATIONS):
        order = np.empty(len(operators), dtype=np.int64)
        order[blocks.ravel()] = blocks[random.permutation(len(distinct))].ravel()
        orders.append(order)
    return orders
