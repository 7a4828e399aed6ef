"""Decoders: x^ = W z + b + W2 gelu(W1 z + b1) shared over all categories, and one linear map per category and level.

The shared decoder reads every category's quantized latent z^_c and so can use what one category says about another;
W starts as a ridge regression and W2 at zero. The partial decoder (c, l) reads z^_c up to level l and predicts
category c's own columns: what a prefix of its tokens tells on its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spinlock.model.network.encoder import uniform_weights
from spinlock.model.network.quantizer import LevelResult
from spinlock.model.spec import Gelu


class SharedDecoder(nn.Module):
    """Quantized latents of all categories, ``width`` in all, to all columns [B, D]."""

    def __init__(
        self, width: int, hidden_dim: int, columns: int, generator: torch.Generator, gelu: Gelu = "none"
    ) -> None:
        super().__init__()
        self.gelu = gelu
        self.linear = uniform_weights((width, columns), width, generator)
        self.bias = nn.Parameter(torch.zeros(columns))
        self.hidden = uniform_weights((width, hidden_dim), width, generator)
        self.hidden_bias = nn.Parameter(torch.zeros(hidden_dim))
        self.output = nn.Parameter(torch.zeros(hidden_dim, columns))

    def forward(self, flat: Tensor) -> Tensor:
        """Columns [B, D] from latents [B, width] side by side."""
        hidden = F.gelu(torch.addmm(self.hidden_bias, flat, self.hidden), approximate=self.gelu)
        return torch.addmm(torch.addmm(self.bias, flat, self.linear), hidden, self.output)


class CategoryDecoders(nn.Module):
    """Latents [C, B, E] after each of L levels to each category's own columns, zero in the padding: [C, b, L M].

    z^ W = sum_l hits_l (T_l W) with the levels' tables T_l [C, K_l, E]: products with codes, not with rows. All
    prefixes are one product: what a code adds to the prediction from a prefix that ends before its level is zero.
    """

    mask: Tensor
    nested: Tensor

    def __init__(self, num_codes: Sequence[int], mask: Tensor, embedding_dim: int, generator: torch.Generator) -> None:
        """``num_codes`` are the rows K_l of the levels' tables, ``mask`` [C, M] is 0 in the padding."""
        super().__init__()
        levels, (categories, width) = len(num_codes), mask.shape
        self.linear = uniform_weights((levels, categories, embedding_dim, width), embedding_dim, generator)
        self.bias = nn.Parameter(torch.zeros(levels, categories, 1, width))
        self.register_buffer("mask", mask[:, None], persistent=False)
        own_level = torch.arange(levels).repeat_interleave(torch.tensor(num_codes))
        self.register_buffer("nested", (own_level[:, None] <= torch.arange(levels)).float(), persistent=False)

    def weights(self) -> Tensor:
        """W of all levels side by side [C, E, L M]."""
        return _side_by_side(self.linear * self.mask)

    def forward(self, levels: Sequence[LevelResult], rows: int) -> Tensor:
        """Own columns [C, rows, L M] of the first rows, from each prefix of the levels."""
        tables = torch.cat([level.projected_codes for level in levels], dim=1)
        one_hot = torch.cat([level.one_hot[:, :rows] for level in levels], dim=2)
        added = torch.bmm(tables, self.weights())
        added = added.view(*added.shape[:2], len(levels), -1)
        return torch.baddbmm(_side_by_side(self.bias * self.mask), one_hot, (added * self.nested[..., None]).flatten(2))

    @torch.no_grad()
    def reads(self, gradient_passthrough: Tensor) -> Tensor:
        """T W [C, E, L M]: how the own columns follow an embedding of which ``transmitted`` T [C, E, E] passes on."""
        return torch.bmm(gradient_passthrough, self.weights())


def _side_by_side(levels: Tensor) -> Tensor:
    """[L, C, n, M] as [C, n, L M]."""
    return levels.permute(1, 2, 0, 3).flatten(2)
