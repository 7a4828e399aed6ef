"""What the columns of a token file mean: which category, which level, how many codes.

Letters: ``C`` categories, ``K`` codes of a codebook.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np


@dataclass(frozen=True)
class TokenColumns:
    """The 3C columns: ``category``, ``level`` and ``codebook_size`` K of each."""

    category: tuple[str, ...]
    level: tuple[int, ...]
    codebook_size: tuple[int, ...]

    @classmethod
    def of(cls, sizes: Mapping[str, Sequence[int]]) -> Self:
        """Columns in file order from the codebook sizes {category: [K of level 0, 1, 2]}."""
        triples = [(name, level, int(k)) for name, levels in sizes.items() for level, k in enumerate(levels)]
        return cls(*(tuple(part) for part in zip(*triples, strict=True)))

    @property
    def names(self) -> tuple[str, ...]:
        """``<category>.L<level>`` of each column."""
        return tuple(f"{name}.L{level}" for name, level in zip(self.category, self.level, strict=True))

    def __len__(self) -> int:
        return len(self.category)


def index_dtype(codebook_sizes: Sequence[int]) -> np.dtype[Any]:
    """The smallest unsigned integer that holds 0 ... max K - 1."""
    return np.dtype(np.min_scalar_type(max(codebook_sizes) - 1))
