"""One encoder per category: e_c = x_c A_c + gelu(x_c W1_c + b1_c) W2_c, computed in batched products.

The closed-form initialization sets A_c to the principal axes of the category. W2_c starts at zero, so that the encoder
is linear before training. Its input is the columns of its own category only, which makes tokens local.

Letters: ``B`` rows, ``C`` categories, ``M`` columns of the widest category, ``E`` embedding width, ``H`` hidden width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def uniform_weights(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> nn.Parameter:
    """Draw weights from the uniform distribution between +-1 / sqrt(fan_in), as ``nn.Linear`` does."""
    bound = fan_in**-0.5
    return nn.Parameter((torch.rand(shape, generator=generator) * 2 - 1) * bound)


class CategoryEncoder(nn.Module):
    """Encoders of C categories.

    Parameters
    ----------
    mask
        Mask [C, M] that is 0 in the padding of the columns.
    embedding_dim, hidden_dim
        Widths E and H.
    generator
        Source of the initial weights.
    """

    def __init__(self, mask: Tensor, embedding_dim: int, hidden_dim: int, generator: torch.Generator) -> None:
        super().__init__()
        categories, width = mask.shape
        self.linear = uniform_weights((categories, width, embedding_dim), width, generator)
        self.hidden = uniform_weights((categories, width, hidden_dim), width, generator)
        self.hidden_bias = nn.Parameter(torch.zeros(categories, 1, hidden_dim))
        self.output = nn.Parameter(torch.zeros(categories, hidden_dim, embedding_dim))

    def forward(self, columns: Tensor) -> Tensor:
        """Return the embeddings [C, B, E] of padded columns [C, B, M]."""
        hidden = F.gelu(torch.baddbmm(self.hidden_bias, columns, self.hidden))
        return torch.baddbmm(torch.bmm(columns, self.linear), hidden, self.output)
