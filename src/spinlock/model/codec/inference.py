"""Encode rows to tokens and decode tokens to rows, in blocks of fixed size.

The rounding of a matrix product may depend on its number of rows. Here each product has a fixed number of rows, and the
last block is padded with zeros. The tokens of a row therefore depend neither on the other rows nor on the batch size.
On a CPU several blocks are processed in parallel, each by one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.model.codec.joint_assignment import JointTables
from spinlock.model.codec.tables import NEAR_TIE, HiddenLayer, Tokens, TokenTables
from spinlock.model.network.vqvae import CategoricalVQVAE, JointVQVAE
from spinlock.runtime.precision import full_precision
from spinlock.runtime.threads import parallel_map

BLOCK = 1024
"""Number of rows of a block."""


@dataclass(frozen=True)
class EncodedRows:
    """Tokens and errors of n rows.

    ``indices`` [n, C, L] int64 are the tokens, and ``error`` [n] is the mean squared reconstruction error in normalized
    units. ``near_tie`` [n] is True if two choices of tokens are nearly equal, so that another device may choose
    differently.
    """

    indices: Tensor
    error: Tensor
    near_tie: Tensor


class Codec:
    """Encoder and decoder of a network with local assignment.

    The tables are computed once, on the device of the network, and are not updated when its weights change. Use
    :func:`make_codec`, which selects the class that matches the network.
    """

    @torch.no_grad()
    @full_precision()
    def __init__(self, model: CategoricalVQVAE) -> None:
        self.model = model
        self.tables = TokenTables(model)

    @torch.no_grad()
    def encode_block(self, rows: Tensor) -> EncodedRows:
        """Encode at most 1,024 normalized rows [n, D]. The caller has to be inside :func:`full_precision`."""
        block = _padded(rows)
        tokens = self._assign(block)
        error = (block - self._reconstruct(tokens.indices)).square().mean(1)
        return EncodedRows(tokens.indices[: len(rows)], error[: len(rows)], tokens.near_tie[: len(rows)])

    def encode(self, rows: Tensor) -> EncodedRows:
        """Encode normalized rows.

        Parameters
        ----------
        rows
            Normalized rows [n, D].

        Returns
        -------
        EncodedRows
            Tokens [n, C, L], reconstruction errors [n] and near ties [n].
        """
        with full_precision():
            blocks = parallel_map(self.encode_block, torch.split(rows, BLOCK), rows.device)
        return EncodedRows(
            torch.cat([block.indices for block in blocks]),
            torch.cat([block.error for block in blocks]),
            torch.cat([block.near_tie for block in blocks]),
        )

    def decode(self, indices: Tensor) -> Tensor:
        """Decode tokens.

        Parameters
        ----------
        indices
            Tokens [n, C, l] of the first l levels, 1 <= l <= L.

        Returns
        -------
        Tensor
            Normalized rows [n, D].
        """
        return _in_blocks(self._reconstruct, indices)

    def encode_local(self, rows: Tensor) -> Tensor:
        """Return the local tokens [n, C, L] of normalized rows [n, D], also for a network with joint assignment."""
        return _in_blocks(lambda block: self.tables.encode(block).indices, rows)

    def decode_local(self, indices: Tensor) -> Tensor:
        """Decode local tokens [n, C, l] to normalized rows [n, D], also for a network with joint assignment."""
        return _in_blocks(self.tables.decode, indices)

    def latents(self, indices: Tensor) -> Tensor:
        """Return the quantized latents [n, C E] of tokens [n, C, l]."""
        return _in_blocks(lambda block: self.model.lookup(block).transpose(0, 1).flatten(1), indices)

    def distance_points(self, indices: Tensor, decoded: Tensor) -> Tensor:
        """Return the points from whose pairwise distances the topographic correlation is computed.

        Parameters
        ----------
        indices
            Tokens [n, C, L].
        decoded
            The same tokens decoded [n, D].

        Returns
        -------
        Tensor
            The quantized latents [n, C E]. A codec with joint assignment returns the decoded rows [n, D] instead.
        """
        return self.latents(indices)

    def code_vectors(self) -> list[list[Tensor]]:
        """Return, for each category and level [C][L], what each code adds to a decoded row [K, D].

        These are the terms of the linear part of the decoder, in normalized units.
        """
        return self.tables.code_vectors()

    def hidden_layer(self) -> HiddenLayer:
        """Return the hidden layer of the decoder as a function of the codes."""
        return self.tables.hidden_layer()

    def _assign(self, block: Tensor) -> Tokens:
        """Assign the tokens of a padded block of rows."""
        return self.tables.encode(block)

    def _reconstruct(self, indices: Tensor) -> Tensor:
        """Decode a padded block of tokens."""
        return self.tables.decode(indices)


class JointCodec(Codec):
    """Encoder and decoder of a network with joint assignment; the search starts at the local tokens."""

    @torch.no_grad()
    @full_precision()
    def __init__(self, model: JointVQVAE) -> None:
        super().__init__(model)
        self.joint = JointTables(model.joint)

    def distance_points(self, indices: Tensor, decoded: Tensor) -> Tensor:
        """Return the decoded rows: the latents of single categories do not describe a row with joint tokens."""
        return decoded

    def code_vectors(self) -> list[list[Tensor]]:
        """Return the vectors [K, D] of the joint codes of each category and level [C][L]."""
        return self.joint.codes.codebooks()

    @torch.no_grad()
    @full_precision()
    def hidden_layer(self) -> HiddenLayer:
        """Return the hidden layer of the refinement as a function of the codes."""
        codes = self.joint.codes
        return HiddenLayer(codes.vectors() @ codes.hidden, codes.hidden_bias.detach(), codes.output.detach())

    def _assign(self, block: Tensor) -> Tokens:
        local = self.tables.encode(block)
        indices, margin = self.joint.assign(block, local.indices, width=self.model.spec.beam_width)
        return Tokens(indices, local.near_tie | (margin <= NEAR_TIE * block.square().sum(1)))

    def _reconstruct(self, indices: Tensor) -> Tensor:
        return self.joint.codes.refine(self.joint.codes.sums(indices))


def make_codec(model: CategoricalVQVAE) -> Codec:
    """Return the codec of a network: a :class:`JointCodec` for joint assignment, a :class:`Codec` otherwise."""
    return JointCodec(model) if isinstance(model, JointVQVAE) else Codec(model)


def _in_blocks(function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """Apply a function without gradients to rows [n, ...], block by block."""

    @torch.no_grad()  # inside the function, because gradient mode is thread-local
    def padded(block: Tensor) -> Tensor:
        return function(_padded(block))[: len(block)]

    with full_precision():
        return torch.cat(parallel_map(padded, torch.split(rows, BLOCK), rows.device))


def _padded(rows: Tensor) -> Tensor:
    """Pad at most 1,024 rows with zeros to exactly 1,024 rows."""
    missing = BLOCK - len(rows)
    return torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])]) if missing else rows
