"""A bucket: categories whose encoders, quantizers and category decoders share batched matrix products."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spinlock.model.network.decoder import CategoryDecoders
from spinlock.model.network.encoder import CategoryEncoder
from spinlock.model.network.gradients import straight_through
from spinlock.model.network.layout import CategoryLayout
from spinlock.model.network.quantizer import LevelResult, ResidualQuantizer
from spinlock.model.spec import ModelSpec


@dataclass(frozen=True)
class BucketResult:
    """One forward pass of a bucket.

    Attributes
    ----------
    columns
        Columns of the bucket's categories [C, B, M], zero in the padding.
    embeddings
        Embeddings [C, B, E] before quantization.
    latents
        Quantized latents [C, B, E] after each of the L levels, with the straight-through gradient.
    category_reconstructions
        Predictions [L, C, b, M] of the first b rows of ``columns`` by the category decoders; entry l uses the tokens of
        the first l + 1 levels.
    levels
        Results of each level.
    """

    columns: Tensor
    embeddings: Tensor
    latents: list[Tensor]
    category_reconstructions: Tensor
    levels: list[LevelResult]


class CategoryBucket(nn.Module):
    """Encoders, quantizer and category decoders of the categories ``members`` of a model.

    Parameters
    ----------
    spec
        Categories and sizes of the model.
    members
        Categories of this bucket.
    learned_codes
        Whether codes are parameters that are trained by gradient descent.
    generator
        Source of the initial weights and codes.
    """

    def __init__(self, spec: ModelSpec, members: slice, *, learned_codes: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.members = members
        self.layout = CategoryLayout(spec.groups[members], spec.num_columns)
        mask, width = self.layout.mask, spec.embedding_width(members)
        self.encoder = CategoryEncoder(mask, width, spec.hidden_dim, generator)
        self.quantizer = ResidualQuantizer(
            spec.latent_dims[members],
            spec.num_codes[members],
            width,
            learned_codes=learned_codes,
            generator=generator,
        )
        num_codes = [level.codes.shape[1] for level in self.quantizer.each_level()]
        self.category_decoders = CategoryDecoders(num_codes, mask, width, generator)

    def forward(self, table: Tensor, category_rows: int | None = None) -> BucketResult:
        """Encode and quantize rows, and decode the first of them with the category decoders.

        The straight-through estimator of the latent after each level is z^ + (e - stop(e)) T, with T from
        :meth:`ResidualQuantizer.gradient_passthrough`. In directions that T maps to zero, z^ does not depend on e, and
        a gradient would move the embeddings without changing any loss.

        Parameters
        ----------
        table
            Rows column by column [D + 1, B], zeros in the last column.
        category_rows
            Number of rows that the category decoders predict; None for all rows.

        Returns
        -------
        BucketResult
        """
        columns = self.layout.gather_columns(table)
        embeddings = self.encoder(columns)
        levels = self.quantizer(embeddings)
        predictions = self.category_decoders(levels, table.shape[1] if category_rows is None else category_rows)
        first = levels[0].contribution
        if torch.is_grad_enabled():
            passthrough = self.quantizer.gradient_passthrough()
            first = straight_through(first, embeddings, passthrough)
            jacobian = self.category_decoders.jacobian(passthrough)
            predictions = straight_through(predictions, embeddings[:, :category_rows], jacobian)
        latents = [first]
        for level in levels[1:]:
            latents.append(latents[-1] + level.contribution)
        by_level = predictions.unflatten(2, (len(levels), -1)).permute(2, 0, 1, 3)
        return BucketResult(columns, embeddings, latents, by_level, levels)
