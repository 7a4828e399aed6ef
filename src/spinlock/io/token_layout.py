"""Layout of a token file: format, columns and values of each row.

/tokens/indices [N, 3C] or [N, M, 3C] holds the code of each codebook for each row, with columns in the order cat0.L0,
cat0.L1, cat0.L2, cat1.L0, ... Beside it are, for each row, measures of how well the model knows it.

Letters: ``N`` operators, ``M`` rows of one operator, ``C`` categories, ``K`` codes of a codebook.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

FORMAT = "spinlock-tokens"
FORMAT_VERSION = 1

ROW_QUALITIES = ("reconstruction_error", "error_percentile", "clipped_share", "imputed_share")
"""Measures of each row, [N] or [N, M]."""

SIDES = ("new", "train", "validation")
"""Whether an operator was not in the model's table, was trained on, or was held out for validation."""


@dataclass(frozen=True)
class TokenColumns:
    """The 3C columns: the category, the level and the codebook size K of each."""

    category: tuple[str, ...]
    level: tuple[int, ...]
    codebook_size: tuple[int, ...]

    @classmethod
    def from_codebook_sizes(cls, sizes: Mapping[str, Sequence[int]]) -> Self:
        """Return the columns for the codebook sizes (K of levels 0, 1, 2) of each category."""
        columns = [(name, level, int(k)) for name, levels in sizes.items() for level, k in enumerate(levels)]
        return cls(*(tuple(values) for values in zip(*columns, strict=True)))

    @property
    def names(self) -> tuple[str, ...]:
        """``<category>.L<level>`` of each column."""
        return tuple(f"{name}.L{level}" for name, level in zip(self.category, self.level, strict=True))

    def __len__(self) -> int:
        return len(self.category)


def index_dtype(codebook_sizes: Sequence[int]) -> np.dtype[Any]:
    """Return the smallest unsigned integer type that holds 0 ... max K - 1."""
    return np.dtype(np.min_scalar_type(max(codebook_sizes) - 1))
