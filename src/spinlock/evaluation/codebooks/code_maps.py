"""Maps of codebooks: the codes of a codebook in two dimensions, with their usage.

The vector of a code is what the code adds to a decoded row before the nonlinear part of the decoder, in normalized
units. A map shows the first two principal components of the vectors of a codebook.

Letters: ``K`` codes of a codebook, ``D`` kept columns, ``m`` rows, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spinlock.evaluation.codebooks.prototypes import Prototype, PrototypeRows
from spinlock.evaluation.codebooks.row_maps import Floats, Integers, principal_components
from spinlock.metrics.information import entropy_bits
from spinlock.model import LEVELS


@dataclass(frozen=True, eq=False)
class CodeMap:
    """One codebook.

    Attributes
    ----------
    category, level
        Name of the category, and level from 0.
    coordinates
        Coordinates [K, 2] of the codes, in normalized units.
    explained
        Fraction of the variance of the code vectors that the two coordinates have.
    counts
        Number of rows [K] of each code.
    perplexity
        2^H of the codes of the rows, which is K for equally frequent codes.
    prototypes
        What each code stands for.
    """

    category: str
    level: int
    coordinates: Floats
    explained: float
    counts: Integers
    perplexity: float
    prototypes: tuple[Prototype, ...]

    @property
    def name(self) -> str:
        """Name of the token column."""
        return f"{self.category}.L{self.level}"

    @property
    def size(self) -> int:
        """Number of codes K."""
        return len(self.counts)

    @property
    def num_dead(self) -> int:
        """Number of codes that no row has."""
        return int((self.counts == 0).sum())

    @property
    def ranks(self) -> Integers:
        """Rank [K] of each code along the first coordinate."""
        return np.argsort(np.argsort(self.coordinates[:, 0], kind="stable"), kind="stable")


def make_code_maps(prototype_rows: PrototypeRows) -> Iterator[CodeMap]:
    """Yield the map of each codebook, in the order of the token columns."""
    rows = prototype_rows.rows
    vectors = rows.coder.codec.code_vectors()
    for c, category in enumerate(rows.spec.category_names):
        for level in range(LEVELS):
            points = vectors[c][level].double().cpu().numpy()
            coordinates = principal_components(points, 2)
            total = np.square(points - points.mean(0)).sum()
            tokens = rows.tokens[:, c, level]
            yield CodeMap(
                category=category,
                level=level,
                coordinates=coordinates,
                explained=float(np.square(coordinates).sum() / total) if total > 0 else 1.0,
                counts=np.bincount(tokens, minlength=len(points)),
                perplexity=float(2.0 ** entropy_bits(tokens)),
                prototypes=prototype_rows.codebook(c, level, len(points)),
            )
