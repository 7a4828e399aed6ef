"""The training objective: a weighted sum of dimensionless losses, whose weights can therefore be compared.

total = reconstruction_weight * reconstruction + commitment_cost * commitment + orthogonality_weight * orthogonality
      + informativeness_weight * informativeness + topo_weight * topographic   (+ codebook, without moving averages)

===============  =====================================================================================
reconstruction   mean squared error in normalized units, about 1 - fraction of variance explained
commitment       |y - stop(q)|^2 / |e|^2, mean over categories and levels; trains the encoders only
orthogonality    mean squared correlation between random projections of different categories' embeddings
informativeness  mean squared error of the category decoders on their own columns, mean over (c, l)
topographic      1 - Pearson r between the pairwise distances of rows and of quantized latents
codebook         |stop(y) - q|^2 / |e|^2; trains the codes if they are not moving averages
===============  =====================================================================================

The commitment loss is a mean over codebooks, because a sum over thirty codebooks would dominate the reconstruction
loss. It is divided by the energy |e|^2 of the category's embedding, so that it does not depend on the scale of the
latents. Division by the energy of the residual of a level instead would reward encoders that omit directions that are
difficult to quantize.

Letters: ``B`` rows of a batch, ``b`` rows of a process's shard, ``C`` categories, ``L`` levels, ``E`` embedding width,
``D`` columns.
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
from spinlock.model.network.gradients import lookup_rows
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.training.losses.topographic import first_rows, topographic_loss

PROJECTION_DIM = 16
"""Width of the random projections of the orthogonality loss, which are drawn for each step."""

EPSILON = 1e-8
"""Minimum energy in the denominator of a relative error."""


@dataclass(frozen=True)
class LossTerms:
    """Losses of one batch as scalar tensors; ``codebook`` is zero if codes are moving averages."""

    total: Tensor
    reconstruction: Tensor
    commitment: Tensor
    orthogonality: Tensor
    informativeness: Tensor
    topographic: Tensor
    codebook: Tensor

    def named(self) -> dict[str, Tensor]:
        """Return the losses by their names in the history."""
        return dict(self.__dict__)


LOSS_NAMES = sorted(LossTerms.__dataclass_fields__)
"""Names of the losses, in the order in which their sums are stored."""


def objective(
    model: CategoricalVQVAE,
    rows: Tensor,
    result: ForwardResult,
    projection: Tensor,
    settings: LossSettings,
    *,
    global_batch: int | None = None,
    category_rows: int | None = None,
    group: ProcessGroup = SINGLE,
) -> LossTerms:
    """Compute all losses of one batch.

    Parameters
    ----------
    model, result
        Network, and the result of its forward pass of ``rows``.
    rows
        Rows [b, D] of this process's shard of the batch.
    projection
        Gaussian projections [C, E, 16], drawn for each step.
    settings
        Weight of each loss.
    global_batch
        Number of rows B of the global batch. The default is the number of ``rows``.
    category_rows
        Number of rows of the global batch that the category decoders predict. The default is that of ``result``.
    group
        Processes that share the batch.

    Returns
    -------
    LossTerms
        Losses of the global batch, equal in all processes.
    """
    global_batch = len(rows) if global_batch is None else global_batch
    own_category_rows = result.buckets[0].category_reconstructions.shape[2]
    topo_rows = min(global_batch, settings.topo_samples)
    own_topo_rows = group.shard_size(topo_rows)
    topo_points = (
        group.all_gather(first_rows(points, own_topo_rows), topo_rows) for points in (rows, result.flat_latents)
    )
    weighted = {
        "reconstruction": (
            settings.reconstruction_weight,
            group.all_reduce_mean(reconstruction_loss(rows, result), len(rows), global_batch),
        ),
        "commitment": (settings.commitment_cost, commitment_loss(model, result, group)),
        "orthogonality": (settings.orthogonality_weight, orthogonality_loss(result, projection, global_batch, group)),
        "informativeness": (
            settings.informativeness_weight,
            group.all_reduce_mean(
                informativeness_loss(model, result), own_category_rows, category_rows or own_category_rows
            ),
        ),
        "topographic": (settings.topo_weight, topographic_loss(*topo_points)),
        "codebook": (1.0, codebook_loss(model, result, group)),
    }
    total = torch.stack([weight * loss for weight, loss in weighted.values()]).sum()
    return LossTerms(total, **{name: loss for name, (_, loss) in weighted.items()})


def reconstruction_loss(rows: Tensor, result: ForwardResult) -> Tensor:
    """Return the mean of (x - x^)^2 over rows and columns [B, D]."""
    return F.mse_loss(result.reconstruction, rows)


def commitment_loss(model: CategoricalVQVAE, result: ForwardResult, group: ProcessGroup = SINGLE) -> Tensor:
    """Return the mean over (c, l) of |y - stop(q)|^2 / stop(|e|^2).

    Parameters
    ----------
    model, result
        Network, and the result of its forward pass of this process's shard.
    group
        Processes over which the sums are reduced.
    """
    return quantization_error(model, result, train_codes=False).reduced(group).relative


def codebook_loss(model: CategoricalVQVAE, result: ForwardResult, group: ProcessGroup = SINGLE) -> Tensor:
    """Return the mean over (c, l) of |stop(y) - q|^2 / stop(|e|^2); zero if codes are moving averages.

    The parameters are those of :func:`commitment_loss`.
    """
    if not model.quantizer_levels()[0].codes.requires_grad:
        return result.reconstruction.new_zeros(())
    return quantization_error(model, result, train_codes=True).reduced(group).relative


@dataclass(frozen=True)
class QuantizationError:
    """Sums over rows of |y - q|^2 and |e|^2 for each category and level [C L]. Sums of several batches can be added."""

    error: Tensor
    energy: Tensor

    @property
    def relative(self) -> Tensor:
        """Mean over (c, l) of |y - q|^2 / |e|^2."""
        return (self.error / self.energy.clamp(min=EPSILON)).mean()

    def reduced(self, group: ProcessGroup) -> QuantizationError:
        """Return the sums over the rows of all processes."""
        return QuantizationError(group.all_reduce_sum(self.error), group.all_reduce_sum(self.energy))


def quantization_error(model: CategoricalVQVAE, result: ForwardResult, *, train_codes: bool) -> QuantizationError:
    """Return the sums of a forward pass. Gradients reach only the codes if ``train_codes``, else only the latents."""
    errors, energies = [], []
    for bucket, output in zip(model.each_bucket(), result.buckets, strict=True):
        energy = squared_norm(output.embeddings.detach())
        for level, assigned in zip(bucket.quantizer.each_level(), output.levels, strict=True):
            codes = level.codes if train_codes else level.codes.detach()
            latents = assigned.latents.detach() if train_codes else assigned.latents
            errors.append(squared_norm(latents - lookup_rows(codes, assigned.indices, assigned.one_hot)))
            energies.append(energy)
    return QuantizationError(torch.cat(errors), torch.cat(energies))


def orthogonality_loss(
    result: ForwardResult, projection: Tensor, global_batch: int | None = None, group: ProcessGroup = SINGLE
) -> Tensor:
    """Return the latent redundancy of random projections [C, B, 16] of the embeddings [C, B, E].

    Parameters
    ----------
    result
        Result of the forward pass of this process's shard.
    projection
        Gaussian projections [C, E, 16].
    global_batch
        Number of rows B of the global batch. The default is that of ``result``.
    group
        Processes whose rows are gathered.
    """
    embeddings = [bucket.embeddings for bucket in result.buckets]
    projections = torch.split(projection, [len(each) for each in embeddings])
    projected = torch.cat(
        [torch.bmm(each, axes[:, : each.shape[-1]]) for each, axes in zip(embeddings, projections, strict=True)]
    )
    return latent_redundancy(group.all_gather(projected, global_batch or projected.shape[1], dim=1))


def informativeness_loss(model: CategoricalVQVAE, result: ForwardResult) -> Tensor:
    """Return the mean over (c, l) of the mean squared errors of the category decoders on their own columns."""
    errors = []
    for bucket, output in zip(model.each_bucket(), result.buckets, strict=True):
        rows = output.category_reconstructions.shape[2]
        squared = squared_norm(output.category_reconstructions - output.columns[:, :rows])
        errors.append(squared / (rows * bucket.layout.mask.sum(-1)))
    return torch.cat(errors, dim=1).mean()


class _SquaredNorm(torch.autograd.Function):
    """|x|^2 over the last two dimensions, with one pass over x in each direction."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        norms: Tensor = torch.linalg.vector_norm(x, dim=-1)  # a norm over both dimensions is a slow sequential sum
        return norms.square().sum(-1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        x: Tensor
        (x,) = ctx.saved_tensors
        return x * (2 * gradient)[..., None, None]


def squared_norm(x: Tensor) -> Tensor:
    """Return |x|^2 over the last two dimensions."""
    norm: Tensor = _SquaredNorm.apply(x)
    return norm
