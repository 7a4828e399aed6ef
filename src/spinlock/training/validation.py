"""What is measured at every validation: the losses in eval mode and the four target metrics, on all validation rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from spinlock.config import LossSettings
from spinlock.metrics.codebook import codebook_use
from spinlock.metrics.reconstruction import fraction_explained, squared_sums
from spinlock.metrics.redundancy import latent_redundancy
from spinlock.metrics.topography import fixed_rows, pair_distances, topographic_correlation
from spinlock.model import CategoricalVQVAE
from spinlock.model.codec.inference import Codec, latent_rows
from spinlock.preprocessing.cleaning import Cleaner
from spinlock.training.objective import (
    QuantisationError,
    informativeness_loss,
    quantization_error,
    reconstruction_loss,
)


@dataclass(frozen=True)
class ValidationResult:
    """Losses (redundancy and 1 - r exactly, where training samples them), their weighted total, and metrics.

    ``errors`` [m] are the mean squared errors of the validation rows, in rising order.
    """

    loss: float
    reconstruction: float
    commitment: float
    orthogonality: float
    informativeness: float
    topographic: float
    codebook: float
    quality: float
    utilization: float
    topographic_correlation: float
    errors: Tensor = field(default_factory=lambda: torch.empty(0), repr=False, compare=False)

    def figures(self) -> dict[str, float]:
        """All but the errors, by name."""
        return {name: value for name, value in self.__dict__.items() if name != "errors"}

    def named(self) -> dict[str, float]:
        """By the names used in the history, with the prefix ``val_``."""
        return {f"val_{name}": value for name, value in self.figures().items()}


class Validator:
    """Evaluates a model on fixed validation rows [m, D], in blocks of ``block`` rows."""

    def __init__(self, rows: Tensor, cleaner: Cleaner, settings: LossSettings, *, block: int) -> None:
        self.rows = rows
        self.cleaner = cleaner
        self.settings = settings
        self.block = block
        self.standard = cleaner.to_z_scores(rows.cpu().numpy())
        self.fixed = fixed_rows(len(rows))
        self.distances = pair_distances(self.standard[self.fixed])

    @torch.no_grad()
    def __call__(self, model: CategoricalVQVAE) -> ValidationResult:
        """Measure the model as it is; nothing of it changes."""
        losses = torch.zeros(2, dtype=torch.float64, device=self.rows.device)
        quantization: list[QuantisationError] = []
        for rows in torch.split(self.rows, self.block):
            result = model(rows)
            parts = torch.stack((reconstruction_loss(rows, result), informativeness_loss(model, result)))
            losses += parts.double() * (len(rows) / len(self.rows))
            quantization.append(quantization_error(model, result, train_codes=False))
        reconstruction, informativeness = losses.tolist()
        commitment = _share(quantization)
        codebook = commitment if model.quantizer_levels()[0].codes.requires_grad else 0.0
        codec = Codec(model)
        encoded = codec.encode(self.rows)
        tokens = encoded.indices
        decoded = codec.decode(tokens)
        fixed = torch.from_numpy(self.fixed).to(self.rows.device)
        points = latent_rows(model, tokens[fixed])
        redundancy = float(latent_redundancy(points.view(len(points), model.spec.num_categories, -1).transpose(0, 1)))
        if model.joint is not None:
            reconstruction = float((self.rows - decoded).square().mean())
            points = decoded[fixed]
        correlation = topographic_correlation(self.distances, points.cpu().numpy())
        restored = self.cleaner.to_z_scores(decoded.cpu().numpy())
        sizes = np.array([size for sizes in model.spec.num_codes for size in sizes])
        weights = self.settings
        return ValidationResult(
            loss=weights.reconstruction_weight * reconstruction
            + weights.commitment_cost * commitment
            + weights.orthogonality_weight * redundancy
            + weights.informativeness_weight * informativeness
            + weights.topo_weight * (1 - correlation)
            + codebook,
            reconstruction=reconstruction,
            commitment=commitment,
            orthogonality=redundancy,
            informativeness=informativeness,
            topographic=1 - correlation,
            codebook=codebook,
            quality=fraction_explained(*squared_sums(self.standard, restored)),
            utilization=codebook_use(tokens.flatten(1).cpu().numpy(), sizes).utilization,
            topographic_correlation=correlation,
            errors=encoded.error.sort().values.cpu(),
        )


def _share(blocks: list[QuantisationError]) -> float:
    """The share over all rows; a mean of the blocks' own shares would depend on their size."""
    error = torch.stack([block.error.double() for block in blocks]).sum(0)
    energy = torch.stack([block.energy.double() for block in blocks]).sum(0)
    return float(QuantisationError(error, energy).share)
