"""The shared decoder x^ = z W + b + gelu(z W1 + b1) W2, and a linear category decoder for each category and level.

The input of the shared decoder is the quantized latents z of all categories, so that one category can help to predict
the columns of another. The closed-form initialization sets W to a ridge regression; W2 starts at zero. The category
decoder (c, l) predicts the columns of category c from its tokens of the first l levels alone.

Letters: ``B`` rows, ``D`` columns, ``C`` categories, ``M`` columns of the widest category, ``E`` embedding width, ``L``
levels, ``K_l`` codes of level l.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spinlock.model.network.encoder import uniform_weights
from spinlock.model.network.quantizer import LevelResult


class SharedDecoder(nn.Module):
    """Decoder of all categories.

    Parameters
    ----------
    width
        Width of the quantized latents of all categories together.
    hidden_dim
        Width of the hidden layer; 0 for a linear decoder.
    columns
        Number of columns D.
    generator
        Source of the initial weights.
    """

    def __init__(self, width: int, hidden_dim: int, columns: int, generator: torch.Generator) -> None:
        super().__init__()
        self.linear = uniform_weights((width, columns), width, generator)
        self.bias = nn.Parameter(torch.zeros(columns))
        self.hidden = uniform_weights((width, hidden_dim), width, generator)
        self.hidden_bias = nn.Parameter(torch.zeros(hidden_dim))
        self.output = nn.Parameter(torch.zeros(hidden_dim, columns))

    def forward(self, latents: Tensor) -> Tensor:
        """Return the reconstructed rows [B, D] from the latents [B, width] of all categories."""
        hidden = F.gelu(torch.addmm(self.hidden_bias, latents, self.hidden))
        return torch.addmm(torch.addmm(self.bias, latents, self.linear), hidden, self.output)


class CategoryDecoders(nn.Module):
    """Linear decoders of each category's own columns, one for each number of levels.

    With one-hot assignments and the projected codes T_l [C, K_l, E], z W = sum_l one_hot_l (T_l W). W is therefore
    multiplied with K_l codes instead of B rows. One product computes the predictions for all numbers of levels; a code
    of a finer level has weight zero.

    Parameters
    ----------
    num_codes
        Number of codes K_l of the padded codebooks of each level.
    mask
        Mask [C, M] that is 0 in the padding of the columns.
    embedding_dim
        Embedding width E.
    generator
        Source of the initial weights.
    """

    mask: Tensor
    level_mask: Tensor

    def __init__(self, num_codes: Sequence[int], mask: Tensor, embedding_dim: int, generator: torch.Generator) -> None:
        super().__init__()
        levels, (categories, width) = len(num_codes), mask.shape
        self.linear = uniform_weights((levels, categories, embedding_dim, width), embedding_dim, generator)
        self.bias = nn.Parameter(torch.zeros(levels, categories, 1, width))
        self.register_buffer("mask", mask[:, None], persistent=False)
        level_of_code = torch.arange(levels).repeat_interleave(torch.tensor(num_codes))
        level_mask = (level_of_code[:, None] <= torch.arange(levels)).float()
        self.register_buffer("level_mask", level_mask, persistent=False)

    def weights(self) -> Tensor:
        """Return the weights W of all levels, concatenated [C, E, L M]."""
        return _concatenate_levels(self.linear * self.mask)

    def forward(self, levels: Sequence[LevelResult], rows: int) -> Tensor:
        """Predict the columns of the first ``rows`` rows from the first 1, ..., L levels.

        Parameters
        ----------
        levels
            Results of the L levels for the batch.
        rows
            Number of rows to predict.

        Returns
        -------
        Tensor
            Predictions [C, rows, L M], zero in the padding.
        """
        codes = torch.cat([level.projected_codes for level in levels], dim=1)
        one_hot = torch.cat([level.one_hot[:, :rows] for level in levels], dim=2)
        contributions = torch.bmm(codes, self.weights())
        contributions = contributions.view(*contributions.shape[:2], len(levels), -1)
        bias = _concatenate_levels(self.bias * self.mask)
        return torch.baddbmm(bias, one_hot, (contributions * self.level_mask[..., None]).flatten(2))

    @torch.no_grad()
    def jacobian(self, gradient_passthrough: Tensor) -> Tensor:
        """Return T W [C, E, L M], the derivative of the predictions with respect to an embedding.

        ``gradient_passthrough`` T [C, E, E] is the derivative that the straight-through estimator assumes for the
        quantized latent.
        """
        return torch.bmm(gradient_passthrough, self.weights())


def _concatenate_levels(values: Tensor) -> Tensor:
    """Reshape [L, C, n, M] to [C, n, L M]."""
    return values.permute(1, 2, 0, 3).flatten(2)
