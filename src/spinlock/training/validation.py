"""Validation: losses, quality and utilization on the validation rows in memory, without quantizer dropout.

Topographic correlation and latent redundancy are measured on at most 2,000 of them.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor

from spinlock.checkpoint.progress import ValidationResult
from spinlock.config import LossSettings
from spinlock.metrics.codebook import codebook_use
from spinlock.metrics.reconstruction import fraction_explained, squared_sums
from spinlock.metrics.redundancy import latent_redundancy
from spinlock.metrics.topography import fixed_rows, pair_distances, pearson
from spinlock.model import CategoricalVQVAE
from spinlock.model.codec import JointCodec, make_codec
from spinlock.preprocessing.cleaning import Cleaner
from spinlock.training.row_losses import RowLosses, network_losses


class Validator:
    """Validation of a network on fixed rows.

    Parameters
    ----------
    rows
        Validation rows [m, D] in normalized units.
    cleaner
        Cleaning of the rows, for the conversion to the z-scored units of the quality.
    settings
        Loss weights.
    block
        Number of rows of one forward pass. It determines the memory but not the result.
    """

    def __init__(self, rows: Tensor, cleaner: Cleaner, settings: LossSettings, *, block: int) -> None:
        self.rows = rows
        self.cleaner = cleaner
        self.settings = settings
        self.block = block
        self.z_scores = cleaner.to_z_scores(rows.cpu().numpy())
        self.fixed = fixed_rows(len(rows))
        self.distances = pair_distances(self.z_scores[self.fixed])

    @torch.no_grad()
    def __call__(self, model: CategoricalVQVAE) -> ValidationResult:
        """Compute the losses and metrics of a network, which is not changed."""
        network = network_losses(model, self.rows, self.block)
        reconstruction = network.reconstruction
        codec = make_codec(model)
        encoded = codec.encode(self.rows)
        decoded = codec.decode(encoded.indices)
        fixed = torch.from_numpy(self.fixed).to(self.rows.device)
        latents = codec.latents(encoded.indices[fixed])
        by_category = latents.view(len(latents), model.spec.num_categories, -1).transpose(0, 1)
        redundancy = float(latent_redundancy(by_category))
        if isinstance(codec, JointCodec):  # the shared decoder does not decode joint tokens
            reconstruction = float((self.rows - decoded).square().mean())
        points = codec.distance_points(encoded.indices[fixed], decoded[fixed])
        correlation = pearson(self.distances, pair_distances(points.cpu().numpy()))
        losses = RowLosses(
            reconstruction=reconstruction,
            commitment=network.commitment,
            orthogonality=redundancy,
            informativeness=network.informativeness,
            topographic=1 - correlation,
            codebook=network.codebook,
        )
        sizes = np.array([size for sizes in model.spec.num_codes for size in sizes])
        restored = self.cleaner.to_z_scores(decoded.cpu().numpy())
        return ValidationResult(
            loss=losses.total(self.settings),
            **asdict(losses),
            quality=fraction_explained(*squared_sums(self.z_scores, restored)),
            utilization=codebook_use(encoded.indices.flatten(1).cpu().numpy(), sizes).utilization,
            topographic_correlation=correlation,
            errors=encoded.error.sort().values.cpu(),
        )
