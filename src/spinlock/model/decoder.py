"""Decoders: x^ = W z + b + W2 gelu(W1 z + b1) shared over all categories, and one linear map per category and level.

The shared decoder reads every category's quantised latent z^_c and so can use what one category says about another;
W starts as a ridge regression and W2 at zero. The partial decoder (c, l) reads z^_c up to level l and predicts
category c's own columns: what a prefix of its tokens tells on its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spinlock.model.encoder import uniform_weights
from spinlock.model.quantizer import LevelResult


class SharedDecoder(nn.Module):
    """Quantised latents of all categories, ``width`` in all, to all columns [B, D]."""

    def __init__(self, width: int, hidden_dim: int, columns: int, generator: torch.Generator) -> None:
        super().__init__()
        self.linear = uniform_weights((width, columns), width, generator)
        self.bias = nn.Parameter(torch.zeros(columns))
        self.hidden = uniform_weights((width, hidden_dim), width, generator)
        self.hidden_bias = nn.Parameter(torch.zeros(hidden_dim))
        self.output = nn.Parameter(torch.zeros(hidden_dim, columns))

    def forward(self, latents: Sequence[Tensor]) -> Tensor:
        """Columns [B, D] from latents [C, B, E] of each bucket."""
        flat = torch.cat([part.transpose(0, 1).flatten(1) for part in latents], dim=1)
        both = flat @ torch.cat([self.linear, self.hidden], dim=1)  # one wide product is faster than two
        linear, hidden = torch.split(both, [self.linear.shape[1], self.hidden.shape[1]], dim=1)
        hidden = F.gelu(hidden + self.hidden_bias, approximate="tanh")
        return torch.addmm(linear + self.bias, hidden, self.output)


class PartialDecoders(nn.Module):
    """Latents [C, B, E] after each level to each category's own columns [C, B, M], zero in the padding."""

    mask: Tensor

    def __init__(self, levels: int, mask: Tensor, embedding_dim: int, generator: torch.Generator) -> None:
        super().__init__()
        categories, width = mask.shape
        self.linear = uniform_weights((levels, categories, embedding_dim, width), embedding_dim, generator)
        self.bias = nn.Parameter(torch.zeros(levels, categories, 1, width))
        self.register_buffer("mask", mask[:, None], persistent=False)

    def forward(self, levels: Sequence[LevelResult], rows: int) -> list[Tensor]:
        """Own columns [C, rows, M] of the first rows from each prefix of the levels.

        z^ W = sum_l hits_l (T_l W) with the levels' tables T_l: products with K codes, not with B rows.
        """
        predicted = []
        for last, (bias, linear) in enumerate(zip(self.bias.unbind(), self.linear.unbind(), strict=True)):
            value = bias
            for level in levels[: last + 1]:
                value = value + torch.bmm(level.hits[:, :rows], torch.bmm(level.table, linear))
            predicted.append(value * self.mask)
        return predicted

    @torch.no_grad()
    def reads(self, transmitted: Tensor) -> list[Tensor]:
        """T W [C, E, M] of each level: how the own columns follow an embedding of which ``transmitted`` T passes on."""
        return [torch.bmm(transmitted, linear) * self.mask for linear in self.linear.unbind()]
