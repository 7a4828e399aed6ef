"""The tokenizer without a gradient step: principal axes, residual k-means and one ridge regression.

Per category x_c V_c are coordinates on its principal axes; three levels of k-means on the residuals give the codes;
the decoder is W = W_0 + (Z'Z + lambda n I)^-1 Z'(X - Z W_0), where Z are the quantised coordinates of all categories
and W_0 = blockdiag(V_c') decodes each category alone: ridge regression towards the local decoder, so that categories
help each other as far as the rows support it. It starts the network (epoch 0), scores partitions of the features and
sizes the codebooks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.model.kmeans import code_mask, code_penalty, kmeans, nearest, one_hot
from spinlock.model.layout import CategoryLayout
from spinlock.model.spec import LEVELS

RIDGE_GRID = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Ridge strengths tried, in units of n rows times the unit variance of a column."""


@dataclass(frozen=True)
class ClosedForm:
    """A fitted closed-form tokenizer.

    ``axes`` [C, M, E], ``codes`` per level [C, K, d] with ``counts`` [C, K] and existence ``masks`` [C, K],
    ``decoder`` [C E, D] without bias (columns are centred).
    """

    layout: CategoryLayout
    axes: Tensor
    codes: list[Tensor]
    counts: list[Tensor]
    masks: list[Tensor]
    decoder: Tensor

    def coordinates(self, rows: Tensor) -> Tensor:
        """Principal coordinates [C, B, E] of rows [B, D]."""
        return torch.bmm(self.layout.gather(rows), self.axes)

    def quantise(self, rows: Tensor) -> tuple[list[Tensor], Tensor]:
        """Indices [C, B] of each level and quantised coordinates after each level [L, C, B, E]."""
        residual = self.coordinates(rows)
        indices, steps = [], []
        for codes, mask in zip(self.codes, self.masks, strict=True):
            width = codes.shape[-1]
            indices.append(nearest(residual[..., :width], codes, code_penalty(codes, mask)))
            step = torch.zeros_like(residual)
            step[..., :width] = torch.bmm(one_hot(indices[-1], codes.shape[1]), codes)
            residual = residual - step
            steps.append(step)
        return indices, torch.stack(steps).cumsum(0)

    def reconstruct(self, latents: Tensor) -> Tensor:
        """Rows [B, D] of quantised coordinates [C, B, E]."""
        return latents.transpose(0, 1).flatten(1) @ self.decoder


def principal_axes(blocks: Tensor, width: int) -> Tensor:
    """Leading eigenvectors [C, M, E] of each category's covariance, largest first; zero beyond its own columns.

    The sign of an axis is fixed by its largest entry, so that every eigensolver gives the same axes.
    """
    categories, rows, columns = blocks.shape
    points = blocks.double()
    covariance = torch.bmm(points.transpose(1, 2), points) / rows
    values, vectors = torch.linalg.eigh(covariance)
    vectors = vectors.flip(-1) * (values.flip(-1) > 1e-9)[:, None]
    peak = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    vectors = vectors * torch.where(peak < 0, -1.0, 1.0)
    axes = points.new_zeros(categories, columns, width)
    kept = min(columns, width)
    axes[..., :kept] = vectors[..., :kept]
    return axes.float()


def fit_codes(
    coordinates: Tensor,
    num_codes: list[tuple[int, ...]],
    latent_dims: list[tuple[int, ...]],
    *,
    generator: torch.Generator,
    iterations: int,
) -> tuple[list[Tensor], list[Tensor], list[Tensor], Tensor]:
    """Residual k-means on coordinates [C, n, E]: codes, counts and masks per level, and the quantised [C, n, E]."""
    width = coordinates.shape[-1]
    residual, codes, counts, masks = coordinates.clone(), [], [], []
    for level in range(LEVELS):
        sizes = torch.tensor([sizes[level] for sizes in num_codes])
        dims = torch.tensor([min(dims[level], width) for dims in latent_dims])
        used = int(dims.max())
        points = residual[..., :used] * code_mask(dims, used)[:, None].to(residual)
        result = kmeans(points, sizes.to(residual.device), generator=generator, iterations=iterations)
        hits = one_hot(result.assignment, result.codes.shape[1])
        residual[..., :used] -= torch.bmm(hits, result.codes)
        codes.append(result.codes)
        counts.append(result.counts)
        masks.append(code_mask(sizes).to(residual.device))
    return codes, counts, masks, coordinates - residual


def local_decoder(layout: CategoryLayout, axes: Tensor) -> Tensor:
    """W_0 [C E, D]: each category's coordinates back to its own columns."""
    categories, columns, width = axes.shape
    blocks = axes.new_zeros(categories, width, categories, columns)
    every = torch.arange(categories, device=axes.device)
    blocks[every, :, every] = axes.transpose(1, 2)
    return blocks.flatten(2).flatten(0, 1)[:, layout.inverse]


def fit_decoders(latents: Tensor, rows: Tensor, base: Tensor, strengths: tuple[float, ...]) -> list[Tensor]:
    """Ridge decoders [C E, D] towards ``base`` for latents [C, n, E] and rows [n, D], one for each strength."""
    flat = latents.transpose(0, 1).flatten(1)
    active = flat.abs().sum(0) > 0
    design = flat[:, active].double()
    gram = design.t() @ design
    right = design.t() @ (rows - flat @ base).double()
    decoders = []
    for strength in strengths:
        ridge = strength * rows.shape[0] * torch.eye(gram.shape[0], dtype=gram.dtype, device=gram.device)
        correction = torch.cholesky_solve(right, torch.linalg.cholesky(gram + ridge))
        decoder = base.clone()
        decoder[active] += correction.float()
        decoders.append(decoder)
    return decoders


def fit_closed_form(
    rows: Tensor,
    groups: tuple[tuple[int, ...], ...],
    num_codes: list[tuple[int, ...]],
    latent_dims: list[tuple[int, ...]],
    *,
    embedding_dim: int,
    ridge: float,
    generator: torch.Generator,
    iterations: int = 25,
) -> ClosedForm:
    """Fit axes, codes and decoder on training rows [n, D]; ``ridge`` in units of n."""
    layout = CategoryLayout(groups).to(rows.device)
    blocks = layout.gather(rows)
    axes = principal_axes(blocks, embedding_dim)
    codes, counts, masks, latents = fit_codes(
        torch.bmm(blocks, axes), num_codes, latent_dims, generator=generator, iterations=iterations
    )
    decoder = fit_decoders(latents, rows, local_decoder(layout, axes), (ridge,))[0]
    return ClosedForm(layout, axes, codes, counts, masks, decoder)
