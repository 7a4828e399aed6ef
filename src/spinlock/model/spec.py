"""The sizes of a model: everything needed to build the network of a checkpoint before its weights are loaded."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from spinlock.model.buckets import bucket_sizes, slices

LEVELS = 3
"""Quantization levels per category, coarse to fine."""

BEAM_WIDTH = 4
"""Prefixes that the search for codes keeps: 2 cost up to 0.006 of held-out quality, 8 add 0.0003 on average."""

Gelu = Literal["none", "tanh"]
"""How the gelu of hidden layers is approximated: not at all, or by a hyperbolic tangent as in older formats."""

Groups = tuple[tuple[int, ...], ...]
"""The positions of the columns of each category."""


def ceil4(value: float) -> int:
    """Round up to a multiple of four, the width at which matrix kernels stop padding."""
    return 4 * math.ceil(value / 4)


def latent_dims(columns: int, embedding_dim: int, ratios: tuple[float, float, float]) -> tuple[int, int, int]:
    """d_l = max(4, min(ceil4(ratio_l * embedding_dim), ceil4(columns))) of one category, for the three levels.

    >>> latent_dims(400, 126, (0.5, 1.0, 1.5))
    (64, 128, 192)
    """
    limit = ceil4(columns)
    first, second, third = (max(4, min(ceil4(ratio * embedding_dim), limit)) for ratio in ratios)
    return first, second, third


@dataclass(frozen=True)
class ModelSpec:
    """Categories and sizes of a :class:`~spinlock.model.CategoricalVQVAE`.

    ``groups[c]`` holds the positions of category ``c`` among the kept columns; every position from 0 to D - 1 occurs
    in exactly one group, larger categories first. ``latent_dims[c][l]`` and ``num_codes[c][l]`` belong to category
    ``c`` and level ``l``. ``hidden_dim`` counts the hidden units of each encoder, ``decoder_dim`` those behind the sum
    of the codes. With ``narrow_embeddings`` an embedding is at most as wide as its category's columns: no level passes
    on what it would hold beyond that. ``assignment`` says whether tokens are chosen per category or all of a row
    together, by a beam search that keeps ``beam_width`` prefixes. ``bucket_sizes`` tells how many categories each
    batched product takes (none given: what costs least).
    """

    category_names: tuple[str, ...]
    groups: Groups
    embedding_dim: int
    hidden_dim: int
    latent_dims: tuple[tuple[int, int, int], ...]
    num_codes: tuple[tuple[int, int, int], ...]
    assignment: Literal["local", "joint"] = "local"
    beam_width: int = BEAM_WIDTH
    decoder_dim: int = 0
    narrow_embeddings: bool = True
    gelu: Gelu = "none"
    bucket_sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        columns = sorted(index for group in self.groups for index in group)
        assert columns == list(range(len(columns))), "every kept column belongs to exactly one category"
        sizes = [len(group) for group in self.groups]
        assert sizes == sorted(sizes, reverse=True), "categories are ordered by size"
        if not self.bucket_sizes:
            widths = [(size + self._width(size)) // 2 for size in sizes]  # products are as wide as one or the other
            object.__setattr__(self, "bucket_sizes", bucket_sizes(widths))
        assert sum(self.bucket_sizes) == len(self.groups), "every category is in one bucket"
        assert len(self.category_names) == len(self.groups) == len(self.latent_dims) == len(self.num_codes)

    @property
    def num_categories(self) -> int:
        """C."""
        return len(self.groups)

    @property
    def num_columns(self) -> int:
        """D, the kept columns."""
        return sum(len(group) for group in self.groups)

    @property
    def buckets(self) -> list[slice]:
        """The categories of each batched product."""
        return slices(self.bucket_sizes)

    def embedding_width(self, members: slice) -> int:
        """Width of the embeddings of a bucket of categories: embedding_dim, or its columns rounded up if fewer."""
        return self._width(max(len(group) for group in self.groups[members]))

    def _width(self, columns: int) -> int:
        return min(self.embedding_dim, ceil4(columns)) if self.narrow_embeddings else self.embedding_dim

    @property
    def bits_per_row(self) -> float:
        """Sum of log2 K over all codebooks: the length of a row's tokens in bits."""
        return sum(math.log2(codes) for levels in self.num_codes for codes in levels)

    def token_columns(self) -> list[str]:
        """Names of the token columns, ``cat0.L0, cat0.L1, cat0.L2, cat1.L0, ...``, with the categories' names."""
        return [f"{name}.L{level}" for name in self.category_names for level in range(LEVELS)]

    def state(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, as stored in a checkpoint."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> ModelSpec:
        """Inverse of :meth:`state`.

        Raises:
            LookupError, TypeError, ValueError: it is no such state.
        """
        gelu, buckets = state["gelu"], tuple(int(size) for size in state["bucket_sizes"])
        if gelu not in get_args(Gelu):
            raise ValueError(f"no gelu is called {gelu!r}")
        if min(buckets) < 1 or sum(buckets) != len(state["groups"]):
            raise ValueError(f"buckets {buckets} do not hold {len(state['groups'])} categories")
        return cls(
            category_names=tuple(state["category_names"]),
            groups=tuple(tuple(int(i) for i in group) for group in state["groups"]),
            embedding_dim=int(state["embedding_dim"]),
            hidden_dim=int(state["hidden_dim"]),
            latent_dims=tuple(_triple(dims) for dims in state["latent_dims"]),
            num_codes=tuple(_triple(codes) for codes in state["num_codes"]),
            assignment="joint" if state["assignment"] == "joint" else "local",
            beam_width=int(state["beam_width"]),
            decoder_dim=int(state["decoder_dim"]),
            narrow_embeddings=bool(state["narrow_embeddings"]),
            gelu=gelu,
            bucket_sizes=buckets,
        )


def _triple(values: Any) -> tuple[int, int, int]:
    first, second, third = (int(value) for value in values)
    return first, second, third
