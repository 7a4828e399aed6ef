"""One encoder per category: e_c = A_c x_c + W2_c gelu(W1_c x_c + b1_c), all categories in one batched product.

A_c starts as the principal axes of the category (the warm start) and W2_c at zero, so that the untrained encoder is
exactly the linear one. An encoder reads its own category's columns only: tokens are local.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spinlock.model.spec import Gelu


def uniform_weights(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> nn.Parameter:
    """Weights uniform in +-1 / sqrt(fan_in), the default of ``nn.Linear``, drawn from ``generator``."""
    bound = fan_in**-0.5
    return nn.Parameter((torch.rand(shape, generator=generator) * 2 - 1) * bound)


class CategoryEncoder(nn.Module):
    """[C, B, M] to embeddings [C, B, E]."""

    def __init__(
        self, mask: Tensor, embedding_dim: int, hidden_dim: int, generator: torch.Generator, gelu: Gelu = "none"
    ) -> None:
        super().__init__()
        categories, width = mask.shape
        self.gelu = gelu
        self.linear = uniform_weights((categories, width, embedding_dim), width, generator)
        self.hidden = uniform_weights((categories, width, hidden_dim), width, generator)
        self.hidden_bias = nn.Parameter(torch.zeros(categories, 1, hidden_dim))
        self.output = nn.Parameter(torch.zeros(categories, hidden_dim, embedding_dim))

    def forward(self, blocks: Tensor) -> Tensor:
        """Embeddings [C, B, E] of padded category blocks [C, B, M]."""
        hidden = F.gelu(torch.baddbmm(self.hidden_bias, blocks, self.hidden), approximate=self.gelu)
        return torch.baddbmm(torch.bmm(blocks, self.linear), hidden, self.output)
