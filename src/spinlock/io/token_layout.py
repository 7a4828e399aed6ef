"""Layout of a token file: format, columns and values of each row.

/tokens/indices [N, 3C] or [N, M, 3C] is the index of the code of each codebook for each row. The order of the columns
is cat0.L0, cat0.L1, cat0.L2, cat1.L0, ... The other datasets under /tokens describe the columns, or the quality of the
reconstruction of each row.

Letters: ``N`` operators, ``M`` rows of one operator, ``C`` categories, ``K`` codes of a codebook.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

FORMAT = "spinlock-tokens"
FORMAT_VERSION = 1

ROW_QUALITIES = ("reconstruction_error", "error_percentile", "clipped_share", "imputed_share")
"""Quality of each row, [N] or [N, M]: the reconstruction error, its percentile among the validation rows, and the
fractions of clipped and of imputed cells."""

DECODER = "tokens/decoder"
"""Group of the arrays of :class:`~spinlock.io.token_decoder.TokenDecoder`. It is written only if the dataset contains
parameters of operators. Another model, such as ANO, can then decode tokens without the tokenizer."""

SPLIT_NAMES = ("new", "train", "validation")
"""An operator was in the training rows, in the validation rows, or not in the training table (``new``)."""


@dataclass(frozen=True)
class TokenColumns:
    """The category, the level and the codebook size K of each of the 3C columns."""

    category: tuple[str, ...]
    level: tuple[int, ...]
    codebook_size: tuple[int, ...]

    @classmethod
    def from_codebook_sizes(cls, sizes: Mapping[str, Sequence[int]]) -> Self:
        """Return the columns for {category: codebook sizes K of levels 0, 1 and 2}."""
        columns = [(name, level, int(k)) for name, levels in sizes.items() for level, k in enumerate(levels)]
        return cls(*(tuple(values) for values in zip(*columns, strict=True)))

    @property
    def names(self) -> tuple[str, ...]:
        """``<category>.L<level>`` of each column."""
        return tuple(f"{name}.L{level}" for name, level in zip(self.category, self.level, strict=True))

    def __len__(self) -> int:
        return len(self.category)


def index_dtype(codebook_sizes: Sequence[int]) -> np.dtype[Any]:
    """Return the smallest unsigned integer type for the values 0 ... max K - 1."""
    return np.dtype(np.min_scalar_type(max(codebook_sizes) - 1))
