"""Decoded features of tokens along principal axes of the training operators.

Letters: ``n`` rows, ``T`` token columns, ``J`` codes of all columns together, ``H`` hidden units, ``P`` axes of the
token file, ``E`` axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from spinlock.io.token_decoder import TokenDecoder


class DecodedAxes(nn.Module):
    """Decoded features y - c [B, E] of codes, with the decoder of a token file and the mean c of the training rows.

    It has no trained weights. All buffers are zero until :meth:`set_decoder` is called.

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
    positions: Tensor
    code_hidden: Tensor
    hidden_bias: Tensor
    hidden_positions: Tensor
    center: Tensor

    def __init__(self, codebook_sizes: Sequence[int], hidden_units: int, axes: int) -> None:
        super().__init__()
        sizes = torch.tensor(codebook_sizes)
        codes = int(sizes.sum())
        self.register_buffer("first_codes", sizes.cumsum(0) - sizes)
        self.register_buffer("positions", torch.zeros(codes, axes))
        self.register_buffer("code_hidden", torch.zeros(codes, hidden_units))
        self.register_buffer("hidden_bias", torch.zeros(hidden_units))
        self.register_buffer("hidden_positions", torch.zeros(hidden_units, axes))
        self.register_buffer("center", torch.zeros(axes))

    @torch.no_grad()
    def set_decoder(self, decoder: TokenDecoder, center: NDArray[np.float64]) -> None:
        """Set the decoder, whose axes are the E axes of this module, and the mean [E] of the training rows."""
        buffers = self.positions, self.code_hidden, self.hidden_bias, self.hidden_positions, self.center
        for buffer, values in zip(buffers, (*astuple(decoder), center), strict=True):
            buffer.copy_(torch.from_numpy(values))

    def codes(self, tokens: Tensor) -> Tensor:
        """Return tokens [B, T] as codes that are numbered through all columns."""
        return tokens + self.first_codes

    def forward(self, codes: Tensor) -> Tensor:
        """Return y - c [B, E] of codes [B, T]."""
        linear = F.embedding_bag(codes, self.positions, mode="sum") - self.center
        if not len(self.hidden_bias):
            return linear
        hidden = F.gelu(F.embedding_bag(codes, self.code_hidden, mode="sum") + self.hidden_bias)
        return torch.addmm(linear, hidden, self.hidden_positions)


def principal_decoder(
    codes: NDArray[np.int64], decoder: TokenDecoder, size: int
) -> tuple[TokenDecoder, NDArray[np.float64]]:
    """Rotate a decoder so that the decoded rows have uncorrelated coordinates with decreasing variances.

    All axes have the same scale, with which the variances have the mean 1. Axes with a small variance remain small,
    because they are mostly noise.

    Parameters
    ----------
    codes
        Codes [n, T] of the rows, numbered through all columns from 0 to J - 1.
    decoder
        Decoder with P axes, in double precision.
    size
        Number of axes E. Axes beyond P are zero.

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
    largest = axes[:, ::-1][:, :take]
    scale = np.sqrt(take / max(float(variances[::-1][:take].sum()), np.finfo(float).tiny))
    rotation = np.zeros((len(variances), size))
    rotation[:, :take] = scale * largest
    rotated = TokenDecoder(
        decoder.positions @ rotation, decoder.code_hidden, decoder.hidden_bias, decoder.hidden_positions @ rotation
    )
    return rotated, mean @ rotation


def decode(codes: NDArray[np.int64], decoder: TokenDecoder) -> NDArray[np.float64]:
    """Return the decoded rows [n, P] of codes [n, T] in double precision."""
    hidden = torch.from_numpy(decoder.code_hidden[codes].sum(axis=1) + decoder.hidden_bias)
    rows = decoder.positions[codes].sum(axis=1) + F.gelu(hidden).numpy() @ decoder.hidden_positions
    return np.asarray(rows)
