"""Padded codebooks [C, K, d] of C categories: which codes exist, and which code is nearest to a point."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def code_mask(num_codes: Tensor, width: int | None = None) -> Tensor:
    """True where a padded codebook [C, K] holds a code that exists."""
    width = int(num_codes.max()) if width is None else width
    return torch.arange(width, device=num_codes.device)[None] < num_codes[:, None]


def code_penalty(codes: Tensor, mask: Tensor) -> Tensor:
    """|e_k|^2 [C, 1, K], infinite for codes that do not exist: what -2 x.e is added to in the nearest-code search."""
    return codes.square().sum(-1).masked_fill(~mask, torch.inf)[:, None]


def nearest(points: Tensor, codes: Tensor, penalty: Tensor) -> Tensor:
    """argmin_k |x - e_k|^2 for points [C, n, d] and codes [C, K, d]: indices [C, n]; the first wins a tie."""
    return torch.baddbmm(penalty, points, codes.transpose(1, 2), alpha=-2.0).min(-1).indices


def to_one_hot(indices: Tensor, width: int) -> Tensor:
    """Indices [C, n] as float one-hot rows [C, n, K], looked up: ``F.one_hot`` reads back to the host."""
    return F.embedding(indices, torch.eye(width, device=indices.device))
