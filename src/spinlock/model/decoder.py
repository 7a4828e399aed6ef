"""Decoders: x^ = W z + b + W2 gelu(W1 z + b1) shared over all categories, and one linear map per category and level.

The shared decoder reads every category's quantised latent z^_c and so can use what one category says about another;
W starts as a ridge regression and W2 at zero. The partial decoder (c, l) reads z^_c up to level l and predicts
category c's own columns: what a prefix of its tokens tells on its own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spinlock.model.encoder import uniform_weights


class SharedDecoder(nn.Module):
    """Quantised latents [C, B, E] to all columns [B, D]."""

    def __init__(
        self, categories: int, embedding_dim: int, hidden_dim: int, columns: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        width = categories * embedding_dim
        self.linear = uniform_weights((width, columns), width, generator)
        self.bias = nn.Parameter(torch.zeros(columns))
        self.hidden = uniform_weights((width, hidden_dim), width, generator)
        self.hidden_bias = nn.Parameter(torch.zeros(hidden_dim))
        self.output = nn.Parameter(torch.zeros(hidden_dim, columns))

    def forward(self, latents: Tensor) -> Tensor:
        """Columns [B, D] from latents [C, B, E]."""
        flat = latents.transpose(0, 1).flatten(1)
        hidden = F.gelu(torch.addmm(self.hidden_bias, flat, self.hidden), approximate="tanh")
        return torch.addmm(torch.addmm(self.bias, flat, self.linear), hidden, self.output)


class PartialDecoders(nn.Module):
    """Latents [C, B, E] after each level to each category's own columns [C, B, M], zero in the padding."""

    mask: Tensor

    def __init__(self, levels: int, mask: Tensor, embedding_dim: int, generator: torch.Generator) -> None:
        super().__init__()
        categories, width = mask.shape
        self.linear = uniform_weights((levels, categories, embedding_dim, width), embedding_dim, generator)
        self.bias = nn.Parameter(torch.zeros(levels, categories, 1, width))
        self.register_buffer("mask", mask[:, None], persistent=False)

    def forward(self, prefixes: list[Tensor]) -> list[Tensor]:
        """Own columns [C, B, M] from the latents of each prefix [C, B, E]."""
        parameters = zip(prefixes, self.bias.unbind(), self.linear.unbind(), strict=True)
        return [torch.baddbmm(bias, latents, linear) * self.mask for latents, bias, linear in parameters]
