"""Lookup tables of a trained network: quantities that depend only on a code are computed once per code.

A beam search selects the tokens of a category: those whose projected codes T_l[k_l] have the sum nearest to the
embedding e. The cost |e - sum_l T_l|^2 - |e|^2 contains only inner products of e with codes and of codes with each
other, so the encoder e = x A + gelu(x W1 + b1) W2 is multiplied with the codes in advance. (Training instead takes the
nearest code at each level. The sum of these codes is rarely nearer.) The first layers of the decoder are linear in the
quantized latents, so that each code adds one row of a table.

Letters: ``B`` rows, ``D`` columns, ``C`` categories, ``M`` columns of the widest category, ``K`` codes, ``L`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from spinlock.model.codec.beam_search import beam_search, pairwise_costs
from spinlock.model.network.bucket import CategoryBucket
from spinlock.model.network.vqvae import CategoricalVQVAE
from spinlock.model.spec import LEVELS

NEAR_TIE = 1e-5
"""Two choices are a near tie if their costs differ by at most this fraction of the squared norm of the row."""


@dataclass(frozen=True)
class Tokens:
    """Tokens [B, C, L], and ``near_tie`` [B], which is True if rounding on another device may change them."""

    indices: Tensor
    near_tie: Tensor


@dataclass(frozen=True)
class HiddenLayer:
    """Hidden layer of a decoder as a function of the tokens k: gelu(codes[k].sum(0) + bias) @ output.

    Attributes
    ----------
    codes
        What each of the J codes of all codebooks adds to the hidden units, [J, H].
    bias
        Bias [H].
    output
        Output weights [H, D].
    """

    codes: Tensor
    bias: Tensor
    output: Tensor


class BucketTables:
    """Costs of the codes of one bucket of categories as functions of its columns.

    Parameters
    ----------
    bucket
        Trained encoders and quantizers of the bucket.
    beam_width
        Width of the beam search.
    """

    def __init__(self, bucket: CategoryBucket, beam_width: int) -> None:
        levels = bucket.quantizer.each_level()
        codes = [level.projected_codes() for level in levels]
        transposed = torch.cat(codes, dim=1).transpose(1, 2)
        norms = torch.cat([level_codes.square().sum(-1) for level_codes in codes], dim=1)
        self.members = bucket.members
        self.beam_width = beam_width
        self.padded_sizes = [level_codes.shape[1] for level_codes in codes]
        index, mask, ones = bucket.layout.index, bucket.layout.mask[..., None], bucket.layout.num_columns
        self.columns = F.pad(index, (0, 1), value=ones)  # padding reads the column of ones, with zero weight
        linear = -2 * torch.bmm(bucket.encoder.linear * mask, transposed)
        self.linear = torch.cat([linear, norms[:, None]], dim=1)
        self.hidden = torch.cat([bucket.encoder.hidden * mask, bucket.encoder.hidden_bias], dim=1)
        self.output = -2 * torch.bmm(bucket.encoder.output, transposed)
        self.sizes = torch.stack([level.num_codes for level in levels], dim=-1).tolist()
        self.pairwise = [
            pairwise_costs([level_codes[c, :size] for level_codes, size in zip(codes, sizes, strict=True)])
            for c, sizes in enumerate(self.sizes)
        ]

    def encode(self, table: Tensor, tie_margin: Tensor) -> Tokens:
        """Assign the tokens of the bucket's categories.

        Parameters
        ----------
        table
            Rows column by column [D + 1, B], ones in the last column.
        tie_margin
            Difference of costs [C, B] up to which two choices are a near tie.

        Returns
        -------
        Tokens
            Indices [C, B, L] and near ties [B].
        """
        columns = table[self.columns].transpose(1, 2)  # gathering whole columns is faster than gathering cells
        hidden = F.gelu(torch.bmm(columns, self.hidden))
        costs = torch.bmm(columns, self.linear).baddbmm_(hidden, self.output)
        near_tie = torch.zeros(table.shape[1], dtype=torch.bool, device=table.device)
        indices: list[Tensor] = []
        for c, (category_costs, sizes) in enumerate(zip(costs, self.sizes, strict=True)):
            levels = torch.split(category_costs, self.padded_sizes, dim=-1)
            unary = [level[:, :size] for level, size in zip(levels, sizes, strict=True)]
            result = beam_search(unary, self.pairwise[c], self.beam_width)
            near_tie |= result.margin <= tie_margin[c]
            indices.append(result.codes)
        return Tokens(torch.stack(indices), near_tie)


class TokenTables:
    """Tables of a whole network for local tokens. They are not updated when the weights change.

    ``rows`` [S, D + H] has one row for each of the S codes of all codebooks: the terms that the code adds to the
    decoded row and to the hidden layer of the decoder.

    Parameters
    ----------
    model
        Trained network.
    """

    @torch.no_grad()
    def __init__(self, model: CategoricalVQVAE) -> None:
        spec, decoder = model.spec, model.decoder
        self.spec = spec
        self.decoder = decoder
        self.buckets = [BucketTables(bucket, spec.beam_width) for bucket in model.each_bucket()]
        layers = torch.cat([decoder.linear, decoder.hidden], dim=1)
        self.membership = layers.new_zeros(spec.num_categories, spec.num_columns)
        for c, group in enumerate(spec.groups):
            self.membership[c, list(group)] = 1.0
        codebooks: list[Tensor] = []
        start = 0
        for bucket in model.each_bucket():
            codes = [level.projected_codes() for level in bucket.quantizer.each_level()]
            width = codes[0].shape[-1]
            for c, sizes in enumerate(spec.num_codes[bucket.members]):
                category_layers = layers[start : start + width]
                start += width
                codebooks += [
                    level_codes[c, :size] @ category_layers for level_codes, size in zip(codes, sizes, strict=True)
                ]
        count = torch.tensor([len(codebook) for codebook in codebooks], device=layers.device)
        self.rows = torch.cat(codebooks)
        self.starts = (count.cumsum(0) - count).view(-1, LEVELS)

    @torch.no_grad()
    def encode(self, rows: Tensor) -> Tokens:
        """Assign the local tokens of rows [B, D]. A token depends only on the columns of its own category."""
        table = torch.cat([rows.t(), rows.new_ones(1, len(rows))])
        tie_margin = NEAR_TIE * (self.membership @ table[:-1].square())
        tokens = [bucket.encode(table, tie_margin[bucket.members]) for bucket in self.buckets]
        indices = torch.cat([bucket.indices for bucket in tokens]).transpose(0, 1)
        return Tokens(indices, torch.stack([bucket.near_tie for bucket in tokens]).any(0))

    @torch.no_grad()
    def decode(self, indices: Tensor) -> Tensor:
        """Decode local tokens [B, C, l] of the first l levels to rows [B, D]."""
        code_rows = (indices + self.starts[:, : indices.shape[-1]]).flatten(1)
        sums = F.embedding_bag(code_rows, self.rows, mode="sum")
        linear, hidden = sums[:, : self.spec.num_columns], sums[:, self.spec.num_columns :]
        hidden = F.gelu(hidden + self.decoder.hidden_bias)
        return torch.addmm(linear + self.decoder.bias, hidden, self.decoder.output)

    def hidden_layer(self) -> HiddenLayer:
        """Return the hidden layer of the decoder."""
        codes = self.rows[:, self.spec.num_columns :]
        return HiddenLayer(codes, self.decoder.hidden_bias.detach(), self.decoder.output.detach())

    def code_vectors(self) -> list[list[Tensor]]:
        """Return the terms [K, D] that the codes of each category and level [C][L] add to the decoded row."""
        sizes = [size for triple in self.spec.num_codes for size in triple]
        codebooks = torch.split(self.rows[:, : self.spec.num_columns], sizes)
        return [list(codebooks[first : first + LEVELS]) for first in range(0, len(codebooks), LEVELS)]
