"""Operations on padded codebooks [C, K, d] of C categories: the mask of the codes, and the search for the nearest."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def code_mask(num_codes: Tensor, width: int | None = None) -> Tensor:
    """Return the mask of a padded codebook, which is True where a code exists.

    Parameters
    ----------
    num_codes
        Number of codes [C] of each category.
    width
        Padded number of codes K; None for the largest number of codes.

    Returns
    -------
    Tensor
        Boolean mask [C, K].
    """
    width = int(num_codes.max()) if width is None else width
    return torch.arange(width, device=num_codes.device)[None] < num_codes[:, None]


def code_penalty(codes: Tensor, mask: Tensor) -> Tensor:
    """Return |e_k|^2 [C, 1, K] of codes [C, K, d] for :func:`nearest`, and infinity where ``mask`` [C, K] is False."""
    return codes.square().sum(-1).masked_fill(~mask, torch.inf)[:, None]


def nearest(points: Tensor, codes: Tensor, penalty: Tensor) -> Tensor:
    """Return argmin_k |x - e_k|^2 of each point, the first one of equally near codes.

    Parameters
    ----------
    points
        Points x [C, n, d].
    codes
        Codes e [C, K, d].
    penalty
        Result of :func:`code_penalty`.

    Returns
    -------
    Tensor
        Indices [C, n].
    """
    return torch.baddbmm(penalty, points, codes.transpose(1, 2), alpha=-2.0).min(-1).indices


def to_one_hot(indices: Tensor, width: int) -> Tensor:
    """Return float one-hot vectors [C, n, K] of indices [C, n]; ``F.one_hot`` would synchronize with the device."""
    return F.embedding(indices, torch.eye(width, device=indices.device))
