"""The training objective: five losses, each a share without a unit, so that their weights compare.

total = reconstruction_weight * reconstruction + commitment_cost * commitment + orthogonality_weight * orthogonality
      + informativeness_weight * informativeness + topo_weight * topographic   (+ codebook, without the moving average)

===============  =====================================================================================
reconstruction   mean squared error in normalised units: 1 - fraction of variance explained, nearly
commitment       |y - stop(q)|^2 / |e|^2, mean over categories and levels; trains the encoders only
orthogonality    mean squared correlation between random projections of different categories' embeddings
informativeness  mean squared error of the partial decoders on their own columns, mean over (c, l)
topographic      1 - Pearson r of pairwise distances, features against quantised latents
codebook         |stop(y) - q|^2 / |e|^2: trains the codes; exists only without the moving average
===============  =====================================================================================

The commitment is averaged over codebooks and relative to the energy of the category's embedding e: summed over thirty
codebooks it drowns the reconstruction, in the latents' own units it depends on their scale, and relative to a residual
it would reward encoders for giving up what is hard to quantise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.config import LossSettings
from spinlock.metrics.redundancy import latent_redundancy
from spinlock.model import CategoricalVQVAE, ForwardResult

PROJECTION = 16
"""Width of the random projections that the orthogonality loss looks at, drawn afresh for each step."""

TOPO_BLOCK = 256
"""The topographic loss compares rows within equal blocks of at most this size: four cost a quarter of one matrix."""

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
    model: CategoricalVQVAE, rows: Tensor, result: ForwardResult, projection: Tensor, settings: LossSettings
) -> LossTerms:
    """All losses of one batch of rows [B, D]; ``projection`` [C, E, 16] is drawn afresh for each step."""
    weighted = {
        "reconstruction": (settings.reconstruction_weight, reconstruction_loss(rows, result)),
        "commitment": (settings.commitment_cost, commitment_loss(model, result)),
        "orthogonality": (settings.orthogonality_weight, orthogonality_loss(result, projection)),
        "informativeness": (settings.informativeness_weight, informativeness_loss(model, result)),
        "topographic": (
            settings.topo_weight,
            topographic_loss(rows[: settings.topo_samples], result.latents[:, : settings.topo_samples]),
        ),
        "codebook": (1.0, codebook_loss(model, result)),
    }
    total = torch.stack([weight * loss for weight, loss in weighted.values()]).sum()
    return LossTerms(total, **{name: loss for name, (_, loss) in weighted.items()})


def reconstruction_loss(rows: Tensor, result: ForwardResult) -> Tensor:
    """mean (x - x^)^2 over rows and columns [B, D]."""
    return (rows - result.reconstruction).square().mean()


def commitment_loss(model: CategoricalVQVAE, result: ForwardResult) -> Tensor:
    """mean over (c, l) of |y - stop(q)|^2 / stop(|e|^2)."""
    return quantisation_error(model, result, train_codes=False).share


def codebook_loss(model: CategoricalVQVAE, result: ForwardResult) -> Tensor:
    """mean over (c, l) of |stop(y) - q|^2 / stop(|e|^2); zero where codes follow the moving average."""
    if not model.quantizer_levels()[0].codes.requires_grad:
        return result.reconstruction.new_zeros(())
    return quantisation_error(model, result, train_codes=True).share


@dataclass(frozen=True)
class QuantisationError:
    """|y - q|^2 and |e|^2 of each category and level [C L], summed over rows: sums of batches add up."""

    error: Tensor
    energy: Tensor

    @property
    def share(self) -> Tensor:
        """mean over (c, l) of |y - q|^2 / |e|^2."""
        return (self.error / self.energy.clamp(min=EPSILON)).mean()


def quantisation_error(model: CategoricalVQVAE, result: ForwardResult, *, train_codes: bool) -> QuantisationError:
    """Sums over the rows of a pass; the gradient reaches codes or, without ``train_codes``, latents."""
    errors, energies = [], []
    for block, done in zip(model.each_block(), result.blocks, strict=True):
        energy = done.embeddings.detach().square().sum((1, 2))
        for level, quantised in zip(block.quantizer.each(), done.levels, strict=True):
            nearest = torch.bmm(quantised.hits, level.codes if train_codes else level.codes.detach())
            latents = quantised.latents.detach() if train_codes else quantised.latents
            errors.append((latents - nearest).square().sum((1, 2)))
            energies.append(energy)
    return QuantisationError(torch.cat(errors), torch.cat(energies))


def orthogonality_loss(result: ForwardResult, projection: Tensor) -> Tensor:
    """Latent redundancy of embeddings [C, B, E] randomly projected to [C, B, 16]."""
    sizes = [len(block.embeddings) for block in result.blocks]
    projected = [torch.bmm(b.embeddings, p) for b, p in zip(result.blocks, torch.split(projection, sizes), strict=True)]
    return latent_redundancy(torch.cat(projected))


def informativeness_loss(model: CategoricalVQVAE, result: ForwardResult) -> Tensor:
    """mean over (c, l) of the mean squared error of partial decoders on the category's own columns."""
    errors = []
    for block, done in zip(model.each_block(), result.blocks, strict=True):
        for partial in done.partial:
            squared = (partial - done.columns).square().sum(-1).mean(-1)
            errors.append(squared / block.layout.mask.sum(-1))
    return torch.cat(errors).mean()


def topographic_loss(rows: Tensor, latents: Tensor) -> Tensor:
    """1 - Pearson r over pairs i < j within blocks of rows [n, D] and latents [C, n, E]; 0 with fewer than 3 rows."""
    count = rows.shape[0]
    if count < 3:
        return latents.sum() * 0.0
    block = count // -(-count // TOPO_BLOCK)
    used = count // block * block
    flat = latents.transpose(0, 1).flatten(1)[:used]
    near = _pair_distances(rows[:used].reshape(-1, block, rows.shape[1])).detach()
    far = _pair_distances(flat.reshape(-1, block, flat.shape[1]))
    near, far = near - near.mean(), far - far.mean()
    norm = (near.square().sum() * far.square().sum() + EPSILON).sqrt()
    return 1 - (near * far).sum() / norm


def _pair_distances(points: Tensor) -> Tensor:
    """sqrt(|a - b|^2 + eps) over pairs i < j of each block [N, n, d], by one Gram product."""
    gram = torch.bmm(points, points.transpose(1, 2))
    square = points.square().sum(-1)  # the diagonal of the Gram matrix, which inductor cannot view
    distance = square[:, :, None] + square[:, None] - 2 * gram
    first, second = torch.triu_indices(points.shape[1], points.shape[1], 1, device=points.device)
    return (distance[:, first, second].clamp(min=0) + EPSILON).sqrt()
