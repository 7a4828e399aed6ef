"""The training objective: five losses, each a share without a unit, so that their weights compare.

total = reconstruction_weight * reconstruction + commitment_cost * commitment + orthogonality_weight * orthogonality
      + informativeness_weight * informativeness + topo_weight * topographic   (+ codebook, without the moving average)

===============  =====================================================================================
reconstruction   mean squared error in normalized units: 1 - fraction of variance explained, nearly
commitment       |y - stop(q)|^2 / |e|^2, mean over categories and levels; trains the encoders only
orthogonality    mean squared correlation between random projections of different categories' embeddings
informativeness  mean squared error of the partial decoders on their own columns, mean over (c, l)
topographic      1 - Pearson r of pairwise distances, features against quantized latents
codebook         |stop(y) - q|^2 / |e|^2: trains the codes; exists only without the moving average
===============  =====================================================================================

The commitment is averaged over codebooks and relative to the energy of the category's embedding e: summed over thirty
codebooks it drowns the reconstruction, in the latents' own units it depends on their scale, and relative to a residual
it would reward encoders for giving up what is hard to quantize.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from spinlock.config import LossSettings
from spinlock.metrics.redundancy import latent_redundancy
from spinlock.model import CategoricalVQVAE, ForwardResult
from spinlock.model.network.quantizer import lookup_rows
from spinlock.runtime.process_group import SINGLE, ProcessGroup

PROJECTION = 16
"""Width of the random projections that the orthogonality loss looks at, drawn afresh for each step."""

TOPO_BLOCK = 128
"""The topographic loss compares rows within equal blocks of at most this size: eight cost an eighth of one matrix."""

EPSILON = 1e-8


@dataclass(frozen=True)
class LossTerms:
    """The losses of one batch, scalar tensors; ``codebook`` is zero with the moving average."""

    total: Tensor
    reconstruction: Tensor
    commitment: Tensor
    orthogonality: Tensor
    informativeness: Tensor
    topographic: Tensor
    codebook: Tensor

    def named(self) -> dict[str, Tensor]:
        """By the names used in the history."""
        return dict(self.__dict__)


def objective(
    model: CategoricalVQVAE,
    rows: Tensor,
    result: ForwardResult,
    projection: Tensor,
    settings: LossSettings,
    *,
    whole: int | None = None,
    partial: int | None = None,
    group: ProcessGroup = SINGLE,
) -> LossTerms:
    """All losses of one batch of rows [B, D]; ``projection`` [C, E, 16] is drawn afresh for each step.

    Where ``rows`` are this process's share of a batch of ``whole`` rows, of which the partial decoders see ``partial``,
    the losses are those of the whole batch.
    """
    whole = len(rows) if whole is None else whole
    read = result.buckets[0].partial.shape[2]
    compared = min(whole, settings.topo_samples)
    own = group.shard_size(compared)
    weighted = {
        "reconstruction": (
            settings.reconstruction_weight,
            group.all_reduce_mean(reconstruction_loss(rows, result), len(rows), whole),
        ),
        "commitment": (settings.commitment_cost, commitment_loss(model, result, group)),
        "orthogonality": (settings.orthogonality_weight, orthogonality_loss(result, projection, whole, group)),
        "informativeness": (
            settings.informativeness_weight,
            group.all_reduce_mean(informativeness_loss(model, result), read, partial or read),
        ),
        "topographic": (
            settings.topo_weight,
            topographic_loss(*(group.all_gather(_first(part, own), compared) for part in (rows, result.flat))),
        ),
        "codebook": (1.0, codebook_loss(model, result, group)),
    }
    total = torch.stack([weight * loss for weight, loss in weighted.values()]).sum()
    return LossTerms(total, **{name: loss for name, (_, loss) in weighted.items()})


def reconstruction_loss(rows: Tensor, result: ForwardResult) -> Tensor:
    """mean (x - x^)^2 over rows and columns [B, D]."""
    return F.mse_loss(result.reconstruction, rows)


def commitment_loss(model: CategoricalVQVAE, result: ForwardResult, group: ProcessGroup = SINGLE) -> Tensor:
    """mean over (c, l) of |y - stop(q)|^2 / stop(|e|^2)."""
    return quantization_error(model, result, train_codes=False).over(group).share


def codebook_loss(model: CategoricalVQVAE, result: ForwardResult, group: ProcessGroup = SINGLE) -> Tensor:
    """mean over (c, l) of |stop(y) - q|^2 / stop(|e|^2); zero where codes follow the moving average."""
    if not model.quantizer_levels()[0].codes.requires_grad:
        return result.reconstruction.new_zeros(())
    return quantization_error(model, result, train_codes=True).over(group).share


@dataclass(frozen=True)
class QuantisationError:
    """|y - q|^2 and |e|^2 of each category and level [C L], summed over rows: sums of batches add up."""

    error: Tensor
    energy: Tensor

    @property
    def share(self) -> Tensor:
        """mean over (c, l) of |y - q|^2 / |e|^2."""
        return (self.error / self.energy.clamp(min=EPSILON)).mean()

    def over(self, group: ProcessGroup) -> QuantisationError:
        """Summed over the rows of all processes."""
        return QuantisationError(group.all_reduce_sum(self.error), group.all_reduce_sum(self.energy))


def quantization_error(model: CategoricalVQVAE, result: ForwardResult, *, train_codes: bool) -> QuantisationError:
    """Sums over the rows of a pass; the gradient reaches codes or, without ``train_codes``, latents."""
    errors, energies = [], []
    for block, done in zip(model.each_bucket(), result.buckets, strict=True):
        energy = squared_norm(done.embeddings.detach())
        for level, quantized in zip(block.quantizer.each(), done.levels, strict=True):
            codes = level.codes if train_codes else level.codes.detach()
            latents = quantized.latents.detach() if train_codes else quantized.latents
            errors.append(squared_norm(latents - lookup_rows(codes, quantized.indices, quantized.one_hot)))
            energies.append(energy)
    return QuantisationError(torch.cat(errors), torch.cat(energies))


def orthogonality_loss(
    result: ForwardResult, projection: Tensor, whole: int | None = None, group: ProcessGroup = SINGLE
) -> Tensor:
    """Latent redundancy of embeddings [C, B, E] randomly projected to [C, B, 16]."""
    sizes = [len(block.embeddings) for block in result.buckets]
    parts = zip((block.embeddings for block in result.buckets), torch.split(projection, sizes), strict=True)
    projected = torch.cat([torch.bmm(embeddings, part[:, : embeddings.shape[-1]]) for embeddings, part in parts])
    return latent_redundancy(group.all_gather(projected, whole or projected.shape[1], dim=1))


def informativeness_loss(model: CategoricalVQVAE, result: ForwardResult) -> Tensor:
    """mean over (c, l) of the mean squared error of partial decoders on the category's own columns, where they ran."""
    errors = []
    for block, done in zip(model.each_bucket(), result.buckets, strict=True):
        read = done.partial.shape[2]
        squared = squared_norm(done.partial - done.columns[:, :read])
        errors.append(squared / (read * block.layout.mask.sum(-1)))
    return torch.cat(errors, dim=1).mean()


class _SquaredNorm(torch.autograd.Function):
    """In one pass forward and one back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        norms: Tensor = torch.linalg.vector_norm(x, dim=-1)  # over both it would add millions of numbers one by one
        return norms.square().sum(-1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        x: Tensor
        (x,) = ctx.saved_tensors
        return x * (2 * gradient)[..., None, None]


def squared_norm(x: Tensor) -> Tensor:
    """|x|^2 over the last two dimensions."""
    norm: Tensor = _SquaredNorm.apply(x)
    return norm


def topographic_loss(rows: Tensor, latents: Tensor) -> Tensor:
    """1 - Pearson r over pairs within blocks of rows [n, D] and of their latents [n, E].

    0 with fewer than 3 rows.
    """
    count = rows.shape[0]
    if count < 3:
        return latents.sum() * 0.0
    block = count // -(-count // TOPO_BLOCK)
    blocks = count // block
    pairs = 1 - torch.eye(block, device=rows.device)  # every pair, twice; no row with itself
    near, far = (
        _centered(_pair_distances(_first(points, blocks * block).view(blocks, block, -1)), pairs)
        for points in (rows.detach(), latents)
    )
    norm = (near.square().sum() * far.square().sum() + EPSILON).sqrt()
    return 1 - (near * far).sum() / norm


def _first(points: Tensor, count: int) -> Tensor:
    """The first points; all of them without a slice, whose gradient would be a copy."""
    return points if count == len(points) else points[:count]


def _centered(distances: Tensor, pairs: Tensor) -> Tensor:
    """Distances [b, n, n] less their mean over ``pairs`` [n, n], zero elsewhere."""
    mean = (distances * pairs).sum() / (len(distances) * pairs.sum())
    return (distances - mean) * pairs


class _PairDistances(torch.autograd.Function):
    """d_ij = |x_i - x_j|, whose gradient is (x_i - x_j) / d_ij, taken as zero where d_ij is below 2 sqrt(eps)."""

    @staticmethod
    def forward(ctx: Any, points: Tensor) -> Tensor:
        length = points.square().sum(-1)  # the diagonal of the Gram matrix, which inductor cannot view
        lengths = length[:, :, None] + length[:, None]
        squared = torch.baddbmm(lengths, points, points.transpose(1, 2), alpha=-2)
        distances = squared.clamp(min=0).add(EPSILON).sqrt()
        ctx.save_for_backward(points, distances)
        return distances

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        points, distances = ctx.saved_tensors
        pull = torch.where(distances > 2 * EPSILON**0.5, gradient / distances, 0.0)
        pull = pull + pull.transpose(1, 2)
        return torch.baddbmm(pull.sum(-1, keepdim=True) * points, pull, points, alpha=-1)


def _pair_distances(points: Tensor) -> Tensor:
    """sqrt(|a - b|^2 + eps) between points of the same block, [b, n, d] to [b, n, n], by Gram products."""
    distances: Tensor = _PairDistances.apply(points)
    return distances
