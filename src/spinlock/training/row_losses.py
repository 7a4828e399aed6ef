"""Losses of rows without a gradient: of the validation rows, and of a fixed sample of the training rows.

The losses of the steps themselves are those of interpolated points, with quantizer dropout and before each update. They
cannot be compared with the losses of validation rows.

Letters: ``m`` rows, ``D`` columns, ``C`` categories, ``E`` embedding width.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.config import LossSettings
from spinlock.metrics.redundancy import latent_redundancy
from spinlock.metrics.topography import MAX_ROWS, pair_distances, pearson
from spinlock.model import CategoricalVQVAE
from spinlock.preprocessing.split import subsample
from spinlock.preprocessing.training_data import TrainingData
from spinlock.training.losses.objective import (
    QuantizationError,
    informativeness_loss,
    quantization_error,
    reconstruction_loss,
)


@dataclass(frozen=True)
class RowLosses:
    """Losses of rows; see :mod:`~spinlock.training.losses.objective`.

    ``orthogonality`` is the latent redundancy of the quantized latents, and ``topographic`` uses all pairs of rows in
    z-scored units; a training step estimates both. With joint assignment all losses but the reconstruction are 0.
    """

    reconstruction: float
    commitment: float = 0.0
    orthogonality: float = 0.0
    informativeness: float = 0.0
    topographic: float = 0.0
    codebook: float = 0.0

    def total(self, weights: LossSettings) -> float:
        """Return the weighted sum of the losses."""
        return (
            weights.reconstruction_weight * self.reconstruction
            + weights.commitment_cost * self.commitment
            + weights.orthogonality_weight * self.orthogonality
            + weights.informativeness_weight * self.informativeness
            + weights.topo_weight * self.topographic
            + self.codebook
        )

    def history_values(self, weights: LossSettings) -> dict[str, float]:
        """Return the losses and their weighted sum by their names in the history, which begin with ``train_``."""
        return {f"train_{name}": value for name, value in (*asdict(self).items(), ("total", self.total(weights)))}


@dataclass(frozen=True)
class NetworkLosses:
    """Losses of the forward pass of a network, and the quantized latents [C, m, E] of the rows if they are kept."""

    reconstruction: float
    informativeness: float
    commitment: float
    codebook: float
    latents: Tensor | None


@torch.no_grad()
def network_losses(model: CategoricalVQVAE, rows: Tensor, block: int, *, keep_latents: bool = False) -> NetworkLosses:
    """Compute the losses of the forward pass, in which each level takes the nearest code.

    Parameters
    ----------
    model
        Network.
    rows
        Rows [m, D] in normalized units.
    block
        Number of rows of one forward pass. It determines the memory but not the result.
    keep_latents
        Whether to return the latents.

    Returns
    -------
    NetworkLosses
    """
    means = torch.zeros(2, dtype=torch.float64, device=rows.device)
    quantization: list[QuantizationError] = []
    latents: list[Tensor] = []
    for part in torch.split(rows, block):
        result = model(part)
        losses = torch.stack((reconstruction_loss(part, result), informativeness_loss(model, result)))
        means += losses.double() * (len(part) / len(rows))
        quantization.append(quantization_error(model, result, train_codes=False))
        if keep_latents:
            latents.append(result.latents)
    # The loss is a ratio of sums over all rows. A mean of the ratios of blocks would depend on the block size.
    error = torch.stack([part.error.double() for part in quantization]).sum(0)
    energy = torch.stack([part.energy.double() for part in quantization]).sum(0)
    commitment = float(QuantizationError(error, energy).relative)
    reconstruction, informativeness = means.tolist()
    # Both losses have the same value and different gradients.
    codebook = commitment if model.quantizer_levels()[0].codes.requires_grad else 0.0
    kept = torch.cat(latents, dim=1) if keep_latents else None
    return NetworkLosses(reconstruction, informativeness, commitment, codebook, kept)


class RowSample:
    """A fixed random sample of the training rows, as many as validation rows and at most :data:`MAX_ROWS`.

    Parameters
    ----------
    data
        Training data.
    seed
        Seed of the sample.
    block
        Number of rows of one forward pass.

    Attributes
    ----------
    positions
        Indices [m] of the rows among ``data.train``.
    """

    positions: Tensor

    def __init__(self, data: TrainingData, seed: int, *, block: int) -> None:
        count = min(len(data.validation), MAX_ROWS)
        positions: NDArray[np.int64] = subsample(np.arange(len(data.train)), count, seed)
        self.positions = torch.from_numpy(positions).to(data.train.device)
        self.rows = data.train[self.positions]
        self.block = block
        self.distances = pair_distances(data.cleaner.to_z_scores(self.rows.cpu().numpy()))

    def network_losses(self, model: CategoricalVQVAE) -> RowLosses:
        """Return the losses of a network, which is not changed."""
        losses = network_losses(model, self.rows, self.block, keep_latents=True)
        assert losses.latents is not None, "they are kept"
        points = losses.latents.transpose(0, 1).flatten(1).cpu().numpy()
        return RowLosses(
            reconstruction=losses.reconstruction,
            commitment=losses.commitment,
            orthogonality=float(latent_redundancy(losses.latents)),
            informativeness=losses.informativeness,
            topographic=1 - pearson(self.distances, pair_distances(points)),
            codebook=losses.codebook,
        )
