"""The tokenizer without a gradient step: principal axes, residual k-means and one ridge regression.

Per category x_c V_c are coordinates on its principal axes; three levels of k-means on the residuals give the codes;
the decoder is W = W_0 + (Z'Z + lambda n I)^-1 Z'(X - Z W_0), where Z are the quantized coordinates of all categories
and W_0 = blockdiag(V_c') decodes each category alone: ridge regression toward the local decoder, so that categories
help each other as far as the rows support it. It starts the network (epoch 0), scores partitions of the features and
sizes the codebooks. Categories are bucketed by width as in the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from spinlock.initialization.kmeans import kmeans
from spinlock.model.network.codebook import code_mask, code_penalty, nearest, to_one_hot
from spinlock.model.network.layout import CategoryLayout
from spinlock.model.spec import LEVELS, ModelSpec

RIDGE_GRID = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Ridge strengths tried, in units of n rows times the unit variance of a column."""


@dataclass(frozen=True)
class FittedLevel:
    """Codes [C, K, d] of one level of a bucket, their counts [C, K] and which of them exist [C, K]."""

    codes: Tensor
    counts: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Basis:
    """Where the columns of a bucket of categories are, and their principal axes [C, M, E]."""

    layout: CategoryLayout
    axes: Tensor


@dataclass(frozen=True)
class FittedBucket(Basis):
    """One bucket of categories with its fitted levels."""

    levels: list[FittedLevel]

    def quantize(self, rows: Tensor, levels: int = LEVELS) -> Tensor:
        """Quantized coordinates [C, B, E] of rows [B, D] after so many levels."""
        used = max(level.codes.shape[-1] for level in self.levels)
        residual = torch.bmm(self.layout.gather(rows), self.axes[..., :used])
        total = torch.zeros_like(residual)
        for level in self.levels[:levels]:
            width = level.codes.shape[-1]
            indices = nearest(residual[..., :width], level.codes, code_penalty(level.codes, level.mask))
            step = torch.bmm(to_one_hot(indices, level.codes.shape[1]), level.codes)
            residual[..., :width] -= step
            total[..., :width] += step
        return F.pad(total, (0, self.axes.shape[-1] - used))


@dataclass(frozen=True)
class ClosedForm:
    """A fitted closed-form tokenizer: its buckets, and the decoder [C E, D] without bias (columns are centered)."""

    buckets: list[FittedBucket]
    decoder: Tensor

    def quantize(self, rows: Tensor, levels: int = LEVELS) -> Tensor:
        """Quantized coordinates [B, C E] of rows [B, D] after so many levels."""
        return quantize(self.buckets, rows, levels)


def quantize(blocks: Sequence[FittedBucket], rows: Tensor, levels: int = LEVELS) -> Tensor:
    """Quantized coordinates [B, C E] of rows [B, D] in all buckets, after so many levels."""
    return torch.cat([flat(block.quantize(rows, levels)) for block in blocks], dim=-1)


def flat(latents: Tensor) -> Tensor:
    """[..., C, B, E] to [..., B, C E]."""
    return latents.transpose(-3, -2).flatten(-2)


def principal_axes(columns: Tensor, width: int) -> Tensor:
    """Leading eigenvectors [C, M, E] of each category's covariance, largest first; zero beyond its own columns.

    ``columns`` [C, n, M]. The sign of an axis is fixed by its largest entry, so that every eigensolver gives the same.
    """
    categories, rows, most = columns.shape
    points = columns.double()
    values, vectors = torch.linalg.eigh(torch.bmm(points.transpose(1, 2), points) / rows)
    vectors = vectors.flip(-1) * (values.flip(-1) > 1e-9)[:, None]
    peak = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    vectors = vectors * torch.where(peak < 0, -1.0, 1.0)
    axes = points.new_zeros(categories, most, width)
    kept = min(most, width)
    axes[..., :kept] = vectors[..., :kept]
    return axes.float()


def fit_bases(rows: Tensor, spec: ModelSpec) -> list[Basis]:
    """Principal axes of every bucket of categories on training rows [n, D]; they do not depend on codebook sizes."""
    bases = []
    for members in spec.buckets:
        layout = CategoryLayout(spec.groups[members], spec.num_columns).to(rows.device)
        bases.append(Basis(layout, principal_axes(layout.gather(rows), spec.embedding_width(members))))
    return bases


def fit_bucket(
    rows: Tensor, basis: Basis, spec: ModelSpec, members: slice, generator: torch.Generator, iterations: int
) -> FittedBucket:
    """Residual k-means of the categories ``members`` on rows [n, D] along given axes."""
    columns, width = basis.layout.gather(rows), basis.axes.shape[-1]
    assert width == spec.embedding_width(members), "the axes were fitted for embeddings of this width"
    residual, levels = torch.bmm(columns, basis.axes), []
    for level in range(LEVELS):
        sizes = torch.tensor([codes[level] for codes in spec.num_codes[members]], device=rows.device)
        dims = torch.tensor([min(d[level], width) for d in spec.latent_dims[members]], device=rows.device)
        used = min(int(dims.max()), columns.shape[-1])
        points = residual[..., :used] * code_mask(dims, used)[:, None]
        result = kmeans(points, sizes, generator=generator, iterations=iterations)
        residual[..., :used] -= torch.bmm(to_one_hot(result.assignment, result.codes.shape[1]), result.codes)
        levels.append(FittedLevel(result.codes, result.counts, code_mask(sizes)))
    return FittedBucket(basis.layout, basis.axes, levels)


def local_decoder(blocks: Sequence[Basis], columns: int) -> Tensor:
    """W_0 [C E, D]: each category's coordinates back to its own columns."""
    parts = []
    for block in blocks:
        categories, _, width = block.axes.shape
        target = block.layout.index[:, None].expand(-1, width, -1)
        part = block.axes.new_zeros(categories, width, columns + 1)
        parts.append(part.scatter_(2, target, block.axes.transpose(1, 2))[..., :columns].flatten(0, 1))
    return torch.cat(parts)


def fit_decoders(latents: Tensor, rows: Tensor, base: Tensor, strengths: Sequence[float]) -> list[Tensor]:
    """Ridge decoders [C E, D] toward ``base`` for latents [n, C E] and rows [n, D], one for each strength."""
    active = latents.abs().sum(0) > 0
    used = latents[:, active]
    design = used.double()
    gram = design.t() @ design
    right = design.t() @ (rows - used @ base[active]).double()
    decoders = []
    for strength in strengths:
        ridge = strength * rows.shape[0] * torch.eye(gram.shape[0], dtype=gram.dtype, device=gram.device)
        correction = torch.cholesky_solve(right, torch.linalg.cholesky(gram + ridge))
        decoder = base.clone()
        decoder[active] += correction.float()
        decoders.append(decoder)
    return decoders


def fit_buckets(
    rows: Tensor, spec: ModelSpec, bases: Sequence[Basis], *, generator: torch.Generator, iterations: int
) -> list[FittedBucket]:
    """Codes of every bucket of categories on training rows [n, D]."""
    members = spec.buckets
    return [
        fit_bucket(rows, basis, spec, own, generator, iterations) for basis, own in zip(bases, members, strict=True)
    ]


def fit_closed_form(
    rows: Tensor, spec: ModelSpec, *, ridge: float, generator: torch.Generator, iterations: int = 25
) -> ClosedForm:
    """Fit axes, codes and decoder on training rows [n, D]; ``ridge`` in units of n."""
    blocks = fit_buckets(rows, spec, fit_bases(rows, spec), generator=generator, iterations=iterations)
    base = local_decoder(blocks, spec.num_columns)
    return ClosedForm(blocks, fit_decoders(quantize(blocks, rows), rows, base, (ridge,))[0])
