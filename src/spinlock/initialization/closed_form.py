"""Closed-form tokenizer without gradient descent: principal axes, residual k-means and ridge regression.

The embedding of category c is x_c V_c, its coordinates along the principal axes V_c. Three levels of k-means on the
residuals give the codes. The decoder is W = W_0 + (Z'Z + lambda n I)^-1 Z'(X - Z W_0), where Z are the quantized
coordinates of all categories, and W_0 = blockdiag(V_c') decodes each category alone. The ridge penalty on W - W_0
limits how much one category contributes to the columns of another. The closed-form tokenizer initializes the network.
It is also fitted to compare partitions of the columns and to select codebook sizes. Categories share batched products
in the same buckets as in the network.

Letters: ``n`` rows to fit, ``B`` rows, ``D`` columns, ``C`` categories, ``M`` columns of the widest category, ``E``
embedding width, ``K`` codes, ``d`` latent width of a level.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from spinlock.initialization.kmeans import kmeans
from spinlock.initialization.principal_axes import principal_axes
from spinlock.initialization.ridge import Basis, fit_decoders, local_decoder
from spinlock.model.network.codebook import code_mask, code_penalty, nearest, to_one_hot
from spinlock.model.network.layout import CategoryLayout, flatten_categories
from spinlock.model.spec import LEVELS, ModelSpec


@dataclass(frozen=True)
class FittedLevel:
    """Codes [C, K, d] of one level of a bucket, their counts [C, K], and a mask [C, K] of the codes that exist."""

    codes: Tensor
    counts: Tensor
    mask: Tensor


@dataclass(frozen=True)
class FittedBucket(Basis):
    """A bucket of categories with its fitted levels."""

    levels: list[FittedLevel]

    def quantize(self, rows: Tensor, levels: int = LEVELS) -> Tensor:
        """Return the quantized coordinates [C, B, E] of rows [B, D] after the first ``levels`` levels."""
        used = max(level.codes.shape[-1] for level in self.levels)
        residual = torch.bmm(self.layout.gather(rows), self.axes[..., :used])
        quantized = torch.zeros_like(residual)
        for level in self.levels[:levels]:
            width = level.codes.shape[-1]
            indices = nearest(residual[..., :width], level.codes, code_penalty(level.codes, level.mask))
            contribution = torch.bmm(to_one_hot(indices, level.codes.shape[1]), level.codes)
            residual[..., :width] -= contribution
            quantized[..., :width] += contribution
        return F.pad(quantized, (0, self.axes.shape[-1] - used))


@dataclass(frozen=True)
class ClosedForm:
    """Fitted closed-form tokenizer: its buckets, and a decoder [C E, D] without bias, since columns are centered."""

    buckets: list[FittedBucket]
    decoder: Tensor

    def quantize(self, rows: Tensor, levels: int = LEVELS) -> Tensor:
        """Return the quantized coordinates [B, C E] of rows [B, D] after the first ``levels`` levels."""
        return quantize_rows(self.buckets, rows, levels)


def quantize_rows(buckets: Sequence[FittedBucket], rows: Tensor, levels: int = LEVELS) -> Tensor:
    """Return the quantized coordinates [B, C E] of rows [B, D] after the first ``levels`` levels, for all buckets."""
    return flatten_categories([bucket.quantize(rows, levels) for bucket in buckets])


def fit_bases(rows: Tensor, spec: ModelSpec) -> list[Basis]:
    """Fit the principal axes of every bucket on training rows [n, D]. They do not depend on codebook sizes."""
    bases = []
    for members in spec.buckets:
        layout = CategoryLayout(spec.groups[members], spec.num_columns).to(rows.device)
        bases.append(Basis(layout, principal_axes(layout.gather(rows), spec.embedding_width(members))))
    return bases


def fit_buckets(
    rows: Tensor, spec: ModelSpec, bases: Sequence[Basis], *, generator: torch.Generator, iterations: int
) -> list[FittedBucket]:
    """Fit the codes of every bucket by residual k-means.

    Parameters
    ----------
    rows
        Training rows [n, D].
    spec
        Categories and sizes.
    bases
        Principal axes of the buckets, from :func:`fit_bases` with the same embedding widths.
    generator
        Random number generator of the k-means seeding.
    iterations
        Maximum number of iterations of k-means.

    Returns
    -------
    list of FittedBucket
    """
    return [
        _fit_bucket(rows, basis, spec, members, generator, iterations)
        for basis, members in zip(bases, spec.buckets, strict=True)
    ]


def _fit_bucket(
    rows: Tensor, basis: Basis, spec: ModelSpec, members: slice, generator: torch.Generator, iterations: int
) -> FittedBucket:
    """Fit the codes of one bucket to coordinates along its axes."""
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


def fit_closed_form(
    rows: Tensor, spec: ModelSpec, *, ridge: float, generator: torch.Generator, iterations: int = 25
) -> ClosedForm:
    """Fit the axes, codes and decoder of a closed-form tokenizer.

    Parameters
    ----------
    rows
        Training rows [n, D] in normalized units.
    spec
        Categories and sizes.
    ridge
        Ridge strength of the decoder, in units of n.
    generator
        Random number generator of the k-means seeding, on the CPU.
    iterations
        Maximum number of iterations of k-means.

    Returns
    -------
    ClosedForm
    """
    buckets = fit_buckets(rows, spec, fit_bases(rows, spec), generator=generator, iterations=iterations)
    prior = local_decoder(buckets, spec.num_columns)
    return ClosedForm(buckets, fit_decoders(quantize_rows(buckets, rows), rows, prior, (ridge,))[0])
