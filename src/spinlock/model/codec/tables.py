"""A trained model as tables: what depends on a code alone is worked out once for K codes, not for every row.

A category's codes are those whose sum of U q over the levels comes nearest to its embedding e, found by beam search:
|e - sum_l U q_l|^2 needs e U q only, into which e = x A + gelu(x W1 + b1) W2 is folded, and products of codes. The
network's own pass takes the nearest code level by level and is rarely nearer. The decoder's first layers are linear in
the quantized latent, so each code adds one row of a table.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from spinlock.model.codec.beam_search import beam_search, pairwise
from spinlock.model.network.block import CategoryBucket
from spinlock.model.network.vqvae import CategoricalVQVAE
from spinlock.model.spec import LEVELS

NEAR_TIE = 1e-5
"""Two choices of codes whose squared distances differ by less than this share of the row's energy are a near tie."""


@dataclass(frozen=True)
class Tokens:
    """Tokens [B, C, L], and which rows [B] have a near tie: another device may decide it otherwise."""

    indices: Tensor
    near_tie: Tensor


class BucketTables:
    """Costs of the codes of one bucket of categories, straight from its columns.

    With a beam width of 1 the costs are those of the network's own pass, |r D - q|^2 of the residual r of a level.
    """

    def __init__(self, block: CategoryBucket, beam_width: int) -> None:
        levels = block.quantizer.each()
        up = [level.projected_codes() for level in levels]
        compared = [level.input_codes() for level in levels] if beam_width == 1 else up
        norms = [codes.square().sum(-1) for codes in ([level.codes for level in levels] if beam_width == 1 else up)]
        toward = torch.cat(compared, dim=1).transpose(1, 2)
        self.block = block
        self.beam_width = beam_width
        self.sizes = [table.shape[1] for table in up]
        index, mask, ones = block.layout.index, block.layout.mask[..., None], block.layout.num_columns
        self.columns = F.pad(index, (0, 1), value=ones)  # padding reads the ones too, and has no weight
        linear = -2 * torch.bmm(block.encoder.linear * mask, toward)
        self.linear = torch.cat([linear, torch.cat(norms, dim=1)[:, None]], dim=1)
        self.hidden = torch.cat([block.encoder.hidden * mask, block.encoder.hidden_bias], dim=1)
        self.output = -2 * torch.bmm(block.encoder.output, toward)
        self.counts = torch.stack([level.num_codes for level in levels], dim=-1).tolist()
        self.cross = [
            pairwise(
                *([table[c, :size] for table, size in zip(tables, sizes, strict=True)] for tables in (up, compared))
            )
            for c, sizes in enumerate(self.counts)
        ]

    def encode(self, by_column: Tensor, margin: Tensor) -> Tokens:
        """Tokens [C, B, L] of columns [D + 1, B], ones last; costs up to ``margin`` [C, B] apart are a near tie."""
        columns = by_column[self.columns].transpose(1, 2)  # whole columns are copied faster than cells of each row
        hidden = F.gelu(torch.bmm(columns, self.hidden), approximate=self.block.encoder.gelu)
        costs = torch.bmm(columns, self.linear).baddbmm_(hidden, self.output)
        near_tie = torch.zeros(by_column.shape[1], dtype=torch.bool, device=by_column.device)
        indices: list[Tensor] = []
        for c, (own, sizes) in enumerate(zip(costs, self.counts, strict=True)):
            levels = torch.split(own, self.sizes, dim=-1)
            unary = [level[:, :size] for level, size in zip(levels, sizes, strict=True)]
            found = beam_search(unary, self.cross[c], self.beam_width)
            near_tie |= found.runner_up <= margin[c]
            indices.append(found.codes)
        return Tokens(torch.stack(indices), near_tie)


class TokenTables:
    """A whole model as tables; made anew whenever its weights change."""

    @torch.no_grad()
    def __init__(self, model: CategoricalVQVAE) -> None:
        spec, decoder = model.spec, model.decoder
        self.spec = spec
        self.decoder = decoder
        self.buckets = [BucketTables(block, spec.beam_width) for block in model.each_bucket()]
        layers = torch.cat([decoder.linear, decoder.hidden], dim=1)
        self.members = layers.new_zeros(spec.num_categories, spec.num_columns)
        for c, group in enumerate(spec.groups):
            self.members[c, list(group)] = 1.0
        codebooks: list[Tensor] = []
        first = 0
        for block in model.each_bucket():
            up = [level.projected_codes() for level in block.quantizer.each()]
            for c, sizes in enumerate(spec.num_codes[block.members]):
                layer = layers[first : (first := first + up[0].shape[-1])]
                codebooks += [table[c, :size] @ layer for table, size in zip(up, sizes, strict=True)]
        count = torch.tensor([len(codes) for codes in codebooks], device=layers.device)
        self.rows = torch.cat(codebooks)
        self.starts = (count.cumsum(0) - count).view(-1, LEVELS)

    @torch.no_grad()
    def encode(self, rows: Tensor) -> Tokens:
        """Tokens of rows [B, D], each from its own category's columns."""
        by_column = torch.cat([rows.t(), rows.new_ones(1, len(rows))])
        margin = NEAR_TIE * (self.members @ by_column[:-1].square())
        encoded = [block.encode(by_column, margin[block.block.members]) for block in self.buckets]
        indices = torch.cat([part.indices for part in encoded]).transpose(0, 1)
        return Tokens(indices, torch.stack([part.near_tie for part in encoded]).any(0))

    @torch.no_grad()
    def decode(self, indices: Tensor) -> Tensor:
        """Rows [B, D] of local tokens [B, C, l], any prefix of the levels."""
        flat = (indices + self.starts[:, : indices.shape[-1]]).flatten(1)
        summed = F.embedding_bag(flat, self.rows, mode="sum")
        linear, hidden = summed[:, : self.spec.num_columns], summed[:, self.spec.num_columns :]
        hidden = F.gelu(hidden + self.decoder.hidden_bias, approximate=self.decoder.gelu)
        return torch.addmm(linear + self.decoder.bias, hidden, self.decoder.output)
