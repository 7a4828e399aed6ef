"""Decoded features of tokens along principal axes of the training operators.

Letters: ``n`` rows, ``T`` token columns, ``J`` codes of all columns together, ``H`` hidden units, ``A`` axes of the
token file, ``E`` axes of the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from spinlock.io.token_decoder import ARRAYS, TokenDecoder

MIN_RELATIVE_VARIANCE = 1e-12
"""Decoded rows are equal if their variance is at most this fraction of their mean square."""


class DecodedFeatures(nn.Module):
    """Decoder of codes to centered features y - c [B, E], where c is the mean over the training rows.

    It is not trained. All buffers are zero until :meth:`set_decoder` is called.

    Parameters
    ----------
    codebook_sizes
        Number of codes of each of the T token columns.
    hidden_units
        Number of hidden units H.
    axes
        Number of axes E.
    """

    first_codes: Tensor
    linear: Tensor
    hidden: Tensor
    hidden_bias: Tensor
    output: Tensor
    center: Tensor

    def __init__(self, codebook_sizes: Sequence[int], hidden_units: int, axes: int) -> None:
        super().__init__()
        sizes, codes = torch.tensor(codebook_sizes), sum(codebook_sizes)
        self.register_buffer("first_codes", sizes.cumsum(0) - sizes)
        self.register_buffer("linear", torch.zeros(codes, axes))
        self.register_buffer("hidden", torch.zeros(codes, hidden_units))
        self.register_buffer("hidden_bias", torch.zeros(hidden_units))
        self.register_buffer("output", torch.zeros(hidden_units, axes))
        self.register_buffer("center", torch.zeros(axes))

    @torch.no_grad()
    def set_decoder(self, decoder: TokenDecoder, center: NDArray[np.float64]) -> None:
        """Set a decoder with E axes, and the mean [E] of the training rows."""
        for name, values in (*decoder.arrays().items(), ("center", center)):
            self.get_buffer(name).copy_(torch.from_numpy(values))

    def to_codes(self, tokens: Tensor) -> Tensor:
        """Return tokens [B, T] as codes that are numbered through all columns."""
        return tokens + self.first_codes

    def forward(self, codes: Tensor) -> Tensor:
        """Return y - c [B, E] of codes [B, T]."""
        return _decode(codes, {name: self.get_buffer(name) for name in ARRAYS}) - self.center


def _decode(codes: Tensor, decoder: dict[str, Tensor]) -> Tensor:
    """Return the decoded rows y [B, E] of codes [B, T]; see :class:`~spinlock.io.token_decoder.TokenDecoder`."""
    linear = F.embedding_bag(codes, decoder["linear"], mode="sum")
    if not len(decoder["hidden_bias"]):  # embedding_bag fails for vectors of length 0
        return linear
    hidden = F.embedding_bag(codes, decoder["hidden"], mode="sum") + decoder["hidden_bias"]
    return torch.addmm(linear, F.gelu(hidden), decoder["output"])


def decode(codes: NDArray[np.int64], decoder: TokenDecoder) -> NDArray[np.float64]:
    """Return the decoded rows y [n, A] of codes [n, T] in double precision."""
    arrays = {name: torch.from_numpy(values.astype(np.float64)) for name, values in decoder.arrays().items()}
    return np.asarray(_decode(torch.from_numpy(codes), arrays).numpy())


def principal_decoder(
    codes: NDArray[np.int64], decoder: TokenDecoder, size: int
) -> tuple[TokenDecoder, NDArray[np.float64]]:
    """Rotate a decoder so that the decoded rows have uncorrelated coordinates with decreasing variances.

    All axes are multiplied by one factor, so that the mean variance is 1. Axes with a small variance remain small,
    because they are mostly noise. If all decoded rows are equal, all axes are zero.

    Parameters
    ----------
    codes
        Codes [n, T] of the rows, numbered through all columns from 0 to J - 1.
    decoder
        Decoder with A axes.
    size
        Number of axes E. Axes beyond A are zero.

    Returns
    -------
    decoder : TokenDecoder
        Decoder with E axes.
    center : numpy.ndarray
        Mean [E] of the decoded rows.
    """
    rows = decode(codes, decoder)
    mean = rows.mean(axis=0)
    variances, axes = np.linalg.eigh((rows - mean).T @ (rows - mean) / len(rows))
    take = min(size, len(variances))
    total = float(variances[::-1][:take].sum())
    is_constant = total <= MIN_RELATIVE_VARIANCE * float(np.square(rows).sum(axis=1).mean())
    rotation = np.zeros((len(variances), size))
    if not is_constant:
        rotation[:, :take] = np.sqrt(take / total) * axes[:, ::-1][:, :take]
    rotated = TokenDecoder(decoder.linear @ rotation, decoder.hidden, decoder.hidden_bias, decoder.output @ rotation)
    return rotated, mean @ rotation
