"""Local assignment: a token depends only on the columns of its own category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spinlock.initialization.closed_form import FittedBucket, fit_buckets, quantize_rows
from spinlock.initialization.joint_codes import fit_joint_codes
from spinlock.initialization.ridge import RIDGE_GRID, held_out_reconstructions
from spinlock.model import CategoricalVQVAE, JointVQVAE, ModelSpec
from spinlock.runtime.threads import parallel_map
from spinlock.sizing.assignment.interface import TRIAL_ITERATIONS, Assignment
from spinlock.sizing.trials import SizeTrial, Trials

COMPARISON_ROUNDS = 2
"""Number of rounds in which joint codes are fitted for the comparison with a local model."""

MAX_COMPARISON_CODES = 4096
"""Maximum number of codes of a local model for which joint codes are fitted for a comparison."""


class LocalAssignment(Assignment):
    """A token depends only on the columns of its category. Epochs train the whole network."""

    name: ClassVar[str] = "local"
    decoder_width: ClassVar[int] = 2
    streams_table: ClassVar[bool] = True
    trains_network: ClassVar[bool] = True
    training_gain: ClassVar[float] = 0.05
    improvement_hint: ClassVar[str] = " or assignment: joint"

    def initialize(self, model: CategoricalVQVAE, rows: Tensor) -> None:
        """Do nothing: the closed-form initialization is complete."""

    def max_codes(self, cap: int, num_categories: int) -> int:
        """Return ``cap``."""
        return cap

    def try_sizes(self, trials: Trials, spec: ModelSpec) -> SizeTrial:
        """Fit the closed-form tokenizer with the ridge strength that is best on held-out rows."""
        fit = _fit(trials, spec)
        return SizeTrial(
            num_codes=spec.num_codes,
            latent_dims=spec.latent_dims,
            ridge=fit.ridge,
            quality=trials.quality(fit.reconstruction),
            normalized_quality=fit.normalized_quality,
            rank_quality=trials.rank_quality(fit.reconstruction),
            utilization=_expected_utilization(trials, fit.buckets),
        )

    def compare(self, trials: Trials, specs: Sequence[ModelSpec]) -> list[float | None]:
        """Try all specifications."""
        return list(parallel_map(lambda spec: _fit(trials, spec).normalized_quality, specs, trials.device))

    def joint_network(self, model: CategoricalVQVAE, rows: Tensor) -> JointVQVAE | None:
        """Return a copy of the network with joint codes that are fitted but not trained."""
        if sum(size for sizes in model.spec.num_codes for size in sizes) > MAX_COMPARISON_CODES:
            return None
        joint = model.with_joint_codes()
        fit_joint_codes(joint, rows, COMPARISON_ROUNDS)
        joint.eval()
        return joint

    def training_note(self, reconstruction_weight: float) -> list[str]:
        """Return no message."""
        return []


@dataclass(frozen=True)
class _LocalFit:
    """Closed-form tokenizer of a trial: its buckets, its best ridge strength, and its reconstruction [m, D]."""

    buckets: list[FittedBucket]
    ridge: float
    reconstruction: Tensor
    normalized_quality: float


def _fit(trials: Trials, spec: ModelSpec) -> _LocalFit:
    """Fit the closed-form tokenizer of a specification with the ridge strength that is best on held-out rows."""
    generator = torch.Generator().manual_seed(trials.seed)
    rows, bases = trials.fit_rows, trials.bases(spec)
    buckets = fit_buckets(rows, spec, bases, generator=generator, iterations=TRIAL_ITERATIONS)
    latents, held_out = quantize_rows(buckets, rows), quantize_rows(buckets, trials.held_out)
    reconstructions = held_out_reconstructions(latents, rows, held_out, buckets, RIDGE_GRID)
    fits = (
        _LocalFit(buckets, ridge, reconstruction, trials.normalized_quality(reconstruction))
        for ridge, reconstruction in zip(RIDGE_GRID, reconstructions, strict=True)
    )
    return max(fits, key=lambda fit: fit.normalized_quality)


def _expected_utilization(trials: Trials, buckets: Sequence[FittedBucket]) -> float:
    """Return the expected utilization on the validation rows, averaged over codebooks."""
    fractions = []
    for level in (level for bucket in buckets for level in bucket.levels):
        use = trials.expected_use(level.counts / level.counts.sum(-1, keepdim=True)) * level.mask
        fractions.append(use.sum(-1) / level.mask.sum(-1))
    return float(torch.cat(fractions).mean())
