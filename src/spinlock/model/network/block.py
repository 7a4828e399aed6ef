"""Encoder, quantizer and partial decoders of the categories of one bucket."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spinlock.model.network.decoder import CategoryDecoders
from spinlock.model.network.encoder import CategoryEncoder
from spinlock.model.network.layout import CategoryLayout
from spinlock.model.network.quantizer import LevelResult, ResidualQuantizer, straight_through
from spinlock.model.spec import ModelSpec


@dataclass(frozen=True)
class BucketResult:
    """One training pass of a bucket.

    ``columns`` [C, B, M] is its part of the rows, ``embeddings`` [C, B, E] before and ``latents`` [C, B, E] after
    quantization (one for each prefix of the levels, with the straight-through gradient), ``partial`` [L, C, b, M] the
    prediction of ``columns`` from each prefix, for the first b rows, ``levels`` what each level did.
    """

    columns: Tensor
    embeddings: Tensor
    latents: list[Tensor]
    partial: Tensor
    levels: list[LevelResult]


class CategoryBucket(nn.Module):
    """The categories ``members`` of a model, batched."""

    def __init__(self, spec: ModelSpec, members: slice, *, learned_codes: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.members = members
        self.layout = CategoryLayout(spec.groups[members], spec.num_columns)
        mask, width = self.layout.mask, spec.embedding_width(members)
        self.encoder = CategoryEncoder(mask, width, spec.hidden_dim, generator, spec.gelu)
        self.quantizer = ResidualQuantizer(
            spec.latent_dims[members],
            spec.num_codes[members],
            width,
            learned_codes=learned_codes,
            generator=generator,
        )
        tables = [level.codes.shape[1] for level in self.quantizer.each()]
        self.category_decoders = CategoryDecoders(tables, mask, width, generator)

    def forward(self, table: Tensor, category_rows: int | None = None) -> BucketResult:
        """Encode and quantize rows, [D + 1, B] column by column, and decode the first of them (None: all) partially.

        The straight-through gradient of every prefix reaches the embeddings: z^ + (e - stop(e)) T, in the directions
        that the levels pass on. In the others z^ does not move with e whatever e does; a gradient that nothing ever
        answers would push embeddings there without end.
        """
        columns = self.layout.gather_columns(table)
        embeddings = self.encoder(columns)
        levels = self.quantizer(embeddings)
        partial = self.category_decoders(levels, table.shape[1] if category_rows is None else category_rows)
        first = levels[0].contribution
        if torch.is_grad_enabled():
            gradient_passthrough = self.quantizer.gradient_passthrough()
            first = straight_through(first, embeddings, gradient_passthrough)
            partial = straight_through(
                partial, embeddings[:, :category_rows], self.category_decoders.reads(gradient_passthrough)
            )
        latents = [first]
        for level in levels[1:]:
            latents.append(latents[-1] + level.contribution)
        prefixes = partial.unflatten(2, (len(levels), -1)).permute(2, 0, 1, 3)
        return BucketResult(columns, embeddings, latents, prefixes, levels)
