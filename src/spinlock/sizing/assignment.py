"""Local and joint assignment of tokens: the operations that differ between the two.

With local assignment a token depends only on the columns of its own category. With joint assignment all tokens of a
row are selected together (:mod:`spinlock.model.network.joint_codes`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from spinlock.initialization.closed_form import (
    RIDGE_GRID,
    FittedBucket,
    fit_buckets,
    fit_decoders,
    local_decoder,
    quantize_rows,
)
from spinlock.initialization.joint_codes import assign_tokens, fit_joint_codes
from spinlock.initialization.network import initialize_closed_form
from spinlock.model import LEVELS, CategoricalVQVAE, JointVQVAE, ModelSpec
from spinlock.model.codec import make_codec
from spinlock.runtime.threads import parallel_map
from spinlock.sizing.trials import SizeTrial, Trials

TRIAL_ITERATIONS = 8
"""Maximum number of k-means iterations in a trial."""

TRIAL_ROUNDS = 2
"""Number of rounds in which a trial fits joint codes."""

TRIAL_RIDGE = RIDGE_GRID[1]
"""Ridge strength of the decoder in joint trials. It is not optimized, since joint codes replace the decoder."""

MAX_JOINT_CODES = 12_288
"""Maximum number of joint codes. All are fitted at once, with memory quadratic in their number."""

MAX_JOINT_PARTITIONS = 3
"""Maximum number of partitions on which joint codes are tried, since a joint trial takes longer than a local one."""

COMPARISON_ROUNDS = 2
"""Number of rounds in which joint codes are fitted for the comparison with a local model."""

MAX_COMPARISON_CODES = 4096
"""Maximum number of codes of a local model for which joint codes are fitted for a comparison."""


class Assignment(ABC):
    """Interface of the operations that differ between local and joint assignment.

    Attributes
    ----------
    name
        Value of the configuration key ``assignment``.
    decoder_width
        Hidden units of the decoder, as a multiple of those of an encoder.
    streams_table
        Whether epochs read all training rows of a streamed table from its file, and not only the rows in memory.
    trains_network
        Whether epochs train the encoders, quantizers and decoders.
    training_gain
        Fraction of the squared error that training at the default settings is expected to remove.
    improvement_hint
        Part of a message about a missed quality target that suggests another assignment.
    """

    name: ClassVar[str]
    decoder_width: ClassVar[int]
    streams_table: ClassVar[bool]
    trains_network: ClassVar[bool]
    training_gain: ClassVar[float]
    improvement_hint: ClassVar[str]

    def required_quality(self, target_quality: float) -> float:
        """Return the quality before training from which training is expected to reach ``target_quality``."""
        return 1 - (1 - target_quality) / (1 - self.training_gain)

    @abstractmethod
    def initialize(self, model: CategoricalVQVAE, rows: Tensor) -> None:
        """Finish the initialization of a network after its closed-form initialization.

        Parameters
        ----------
        model
            Network whose encoders, quantizers and decoders are initialized.
        rows
            Training rows and interpolated points [n, D] in normalized units.
        """

    @abstractmethod
    def max_codes(self, cap: int, num_categories: int) -> int:
        """Return the maximum number of codes of a codebook, at most ``cap``."""

    @abstractmethod
    def try_sizes(self, trials: Trials, spec: ModelSpec) -> SizeTrial:
        """Fit the codes of a specification in closed form, and measure their quality on held-out rows."""

    @abstractmethod
    def compare(self, trials: Trials, specs: Sequence[ModelSpec]) -> list[float | None]:
        """Return the quality of each specification on held-out rows, or None if it is not tried."""

    @abstractmethod
    def joint_network(self, model: CategoricalVQVAE, rows: Tensor) -> JointVQVAE | None:
        """Return a network with joint codes, for a comparison with the local tokens of a trained network.

        Parameters
        ----------
        model
            Trained network.
        rows
            Training rows [n, D] on which joint codes are fitted if the network has none.

        Returns
        -------
        JointVQVAE or None
            None if the network has too many codes for the comparison.
        """

    @abstractmethod
    def training_note(self, reconstruction_weight: float) -> list[str]:
        """Return messages about the part of the network that epochs train; none if they train all of it."""


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
        generator = torch.Generator().manual_seed(trials.seed)
        rows, bases = trials.fit_rows, trials.bases(spec)
        buckets = fit_buckets(rows, spec, bases, generator=generator, iterations=TRIAL_ITERATIONS)
        latents, held_out = quantize_rows(buckets, rows), quantize_rows(buckets, trials.held_out)
        decoders = fit_decoders(latents, rows, local_decoder(buckets, spec.num_columns), RIDGE_GRID)
        reconstructions = [held_out @ decoder for decoder in decoders]
        qualities = [trials.quality(reconstruction) for reconstruction in reconstructions]
        best = int(np.argmax(qualities))
        return SizeTrial(
            num_codes=spec.num_codes,
            latent_dims=spec.latent_dims,
            ridge=RIDGE_GRID[best],
            quality=qualities[best],
            rank_quality=trials.rank_quality(reconstructions[best]),
            utilization=_expected_utilization(trials, buckets),
        )

    def compare(self, trials: Trials, specs: Sequence[ModelSpec]) -> list[float | None]:
        """Try all specifications."""
        return list(parallel_map(lambda spec: self.try_sizes(trials, spec).quality, specs, trials.device))

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


class JointAssignment(Assignment):
    """All tokens of a row are selected together. Epochs train only the refinement of the sums of code vectors.

    The decoder is wider than that of local assignment, because interpolated points give it many more training rows.
    """

    name: ClassVar[str] = "joint"
    decoder_width: ClassVar[int] = 4
    streams_table: ClassVar[bool] = False
    trains_network: ClassVar[bool] = False
    training_gain: ClassVar[float] = 0.0
    improvement_hint: ClassVar[str] = ""

    def initialize(self, model: CategoricalVQVAE, rows: Tensor) -> None:
        """Fit the joint codes."""
        assert isinstance(model, JointVQVAE), "build_network builds a network with joint codes"
        fit_joint_codes(model, rows)

    def max_codes(self, cap: int, num_categories: int) -> int:
        """Return ``cap``, or less if all codebooks together would have more than :data:`MAX_JOINT_CODES`."""
        return max(2, min(cap, MAX_JOINT_CODES // (LEVELS * num_categories)))

    def try_sizes(self, trials: Trials, spec: ModelSpec) -> SizeTrial:
        """Fit the closed-form tokenizer and joint codes on rows and interpolated points."""
        rows, held_out = trials.augmented_rows, trials.held_out
        model = JointVQVAE(spec).to(trials.device)
        initialize_closed_form(
            model, rows, ridge=TRIAL_RIDGE, rows_per_batch=len(rows), seed=trials.seed, iterations=TRIAL_ITERATIONS
        )
        tokens = fit_joint_codes(model, rows, TRIAL_ROUNDS).flatten(1)
        held_out_tokens = assign_tokens(model.joint, held_out, make_codec(model).encode_local(held_out))
        reconstruction = model.joint.sums(held_out_tokens)
        sizes = [size for sizes in spec.num_codes for size in sizes]
        counts = [torch.bincount(column, minlength=size) for column, size in zip(tokens.t(), sizes, strict=True)]
        utilization = float(np.mean([float(trials.expected_use(count / len(rows)).mean()) for count in counts]))
        return SizeTrial(
            num_codes=spec.num_codes,
            latent_dims=spec.latent_dims,
            ridge=TRIAL_RIDGE,
            quality=trials.quality(reconstruction),
            rank_quality=trials.rank_quality(reconstruction),
            utilization=utilization,
        )

    def compare(self, trials: Trials, specs: Sequence[ModelSpec]) -> list[float | None]:
        """Try joint codes for the few specifications with the best quality with local codes."""
        local = parallel_map(lambda spec: LocalAssignment().try_sizes(trials, spec).quality, specs, trials.device)
        best = sorted(range(len(specs)), key=lambda index: -local[index])[:MAX_JOINT_PARTITIONS]
        return [self.try_sizes(trials, spec).quality if i in best else None for i, spec in enumerate(specs)]

    def joint_network(self, model: CategoricalVQVAE, rows: Tensor) -> JointVQVAE | None:
        """Return the network itself."""
        assert isinstance(model, JointVQVAE), "build_network builds a network with joint codes"
        return model

    def training_note(self, reconstruction_weight: float) -> list[str]:
        """Return a message about the part that is trained, and a warning if nothing is trained."""
        lines = [
            "joint assignment: epochs train only the refinement of joint codes, by the reconstruction loss; other "
            "losses, EMA and resets are not used"
        ]
        return lines if reconstruction_weight else [*lines, "reconstruction_weight is 0: nothing is trained"]


ASSIGNMENTS: dict[str, Assignment] = {kind.name: kind() for kind in (LocalAssignment, JointAssignment)}
"""Assignments by their value of the configuration key ``assignment``."""


def assignment_of(name: str) -> Assignment:
    """Return the assignment with this name, which is that of a configuration or of a model specification."""
    return ASSIGNMENTS[name]


def _expected_utilization(trials: Trials, buckets: Sequence[FittedBucket]) -> float:
    """Return the expected utilization on the validation rows, averaged over codebooks."""
    fractions = []
    for level in (level for bucket in buckets for level in bucket.levels):
        use = trials.expected_use(level.counts / level.counts.sum(-1, keepdim=True)) * level.mask
        fractions.append(use.sum(-1) / level.mask.sum(-1))
    return float(torch.cat(fractions).mean())
