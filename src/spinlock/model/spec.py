"""Specification of a model: its categories and sizes, from which :func:`spinlock.model.build_network` builds it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from spinlock.model.buckets import bucket_sizes, slices

LEVELS = 3
"""Number of quantization levels of a category, from coarse to fine."""

BEAM_WIDTH = 4
"""Width of the beam search. A width of 2 lowers the held-out quality by up to 0.006; 8 adds 0.0003 on average."""

Groups = tuple[tuple[int, ...], ...]
"""Indices of the columns of each category."""

AssignmentName = Literal["local", "joint"]
"""Name of the assignment of tokens."""


def ceil4(value: float) -> int:
    """Round up to a multiple of four, since matrix kernels pad other widths."""
    return 4 * math.ceil(value / 4)


def latent_dims(columns: int, embedding_dim: int, ratios: tuple[float, float, float]) -> tuple[int, int, int]:
    """Return d_l = max(4, min(ceil4(ratio_l * embedding_dim), ceil4(columns))) of the three levels of a category.

    Parameters
    ----------
    columns
        Number of columns of the category.
    embedding_dim
        Maximum width of embeddings.
    ratios
        Latent width of each level in units of the embedding width.

    Returns
    -------
    tuple of int
        Latent widths of the three levels.

    Examples
    --------
    >>> latent_dims(400, 126, (0.5, 1.0, 1.5))
    (64, 128, 192)
    """
    limit = ceil4(columns)
    first, second, third = (max(4, min(ceil4(ratio * embedding_dim), limit)) for ratio in ratios)
    return first, second, third


@dataclass(frozen=True)
class ModelSpec:
    """Categories and sizes of a network.

    Attributes
    ----------
    category_names
        Names of the C categories.
    groups
        Positions of the columns of each category among the D kept columns. Every position from 0 to D - 1 occurs in
        exactly one group, and larger categories come first.
    embedding_dim
        Maximum width of embeddings. An embedding is at most as wide as the number of its category's columns, rounded
        up to a multiple of four, since the latents of the levels have at most this width.
    hidden_dim
        Number of hidden units of each encoder.
    latent_dims, num_codes
        Latent width and number of codes of each category and level [C][3].
    assignment
        ``local`` if tokens are assigned category by category, ``joint`` if all tokens of a row are assigned together.
    beam_width
        Number of prefixes of codes that the beam search keeps.
    decoder_dim
        Number of hidden units of the shared decoder, or of the layer after the sum of joint codes.
    bucket_sizes
        Number of categories of each bucket. If it is empty, :func:`spinlock.model.buckets.bucket_sizes` selects them.
    """

    category_names: tuple[str, ...]
    groups: Groups
    embedding_dim: int
    hidden_dim: int
    latent_dims: tuple[tuple[int, int, int], ...]
    num_codes: tuple[tuple[int, int, int], ...]
    assignment: AssignmentName = "local"
    beam_width: int = BEAM_WIDTH
    decoder_dim: int = 0
    bucket_sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        columns = sorted(index for group in self.groups for index in group)
        assert columns == list(range(len(columns))), "every kept column belongs to exactly one category"
        sizes = [len(group) for group in self.groups]
        assert sizes == sorted(sizes, reverse=True), "categories are ordered by size"
        if not self.bucket_sizes:
            # Matrix products have the width of the columns or of the embeddings; the cost uses the mean of both.
            widths = [(size + self._width(size)) // 2 for size in sizes]
            object.__setattr__(self, "bucket_sizes", bucket_sizes(widths))
        assert sum(self.bucket_sizes) == len(self.groups), "every category is in one bucket"
        assert len(self.category_names) == len(self.groups) == len(self.latent_dims) == len(self.num_codes)

    @property
    def num_categories(self) -> int:
        """Number of categories C."""
        return len(self.groups)

    @property
    def num_columns(self) -> int:
        """Number of kept columns D."""
        return sum(len(group) for group in self.groups)

    @property
    def buckets(self) -> list[slice]:
        """Categories of each bucket."""
        return slices(self.bucket_sizes)

    def embedding_width(self, members: slice) -> int:
        """Return the width of a bucket's embeddings: ``embedding_dim``, or its columns rounded up if they are fewer."""
        return self._width(max(len(group) for group in self.groups[members]))

    def _width(self, columns: int) -> int:
        return min(self.embedding_dim, ceil4(columns))

    @property
    def bits_per_row(self) -> float:
        """Bits per row: the sum of log2 K over all codebooks."""
        return sum(math.log2(codes) for levels in self.num_codes for codes in levels)

    def token_columns(self) -> list[str]:
        """Return the names ``<category>.L<level>`` of the token columns, ordered by category."""
        return [f"{name}.L{level}" for name in self.category_names for level in range(LEVELS)]

    def state(self) -> dict[str, Any]:
        """Return the specification as plain numbers, strings and sequences, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> ModelSpec:
        """Restore a specification from the result of :meth:`state`.

        Raises
        ------
        LookupError, TypeError, ValueError
            A value is missing or invalid.
        """
        if state["assignment"] not in get_args(AssignmentName):
            raise ValueError(f"unknown assignment {state['assignment']!r}")
        buckets = tuple(int(size) for size in state["bucket_sizes"])
        if min(buckets) < 1 or sum(buckets) != len(state["groups"]):
            raise ValueError(f"bucket_sizes is {buckets}, which does not add up to {len(state['groups'])} categories")
        return cls(
            category_names=tuple(state["category_names"]),
            groups=tuple(tuple(int(i) for i in group) for group in state["groups"]),
            embedding_dim=int(state["embedding_dim"]),
            hidden_dim=int(state["hidden_dim"]),
            latent_dims=tuple(_triple(dims) for dims in state["latent_dims"]),
            num_codes=tuple(_triple(codes) for codes in state["num_codes"]),
            assignment=state["assignment"],
            beam_width=int(state["beam_width"]),
            decoder_dim=int(state["decoder_dim"]),
            bucket_sizes=buckets,
        )


def _triple(values: Any) -> tuple[int, int, int]:
    first, second, third = (int(value) for value in values)
    return first, second, third
