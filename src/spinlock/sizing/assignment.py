"""Local and joint assignment of tokens: how the codes of each are fitted, tried, compared, trained and described.

With local assignment a token depends on the columns of its own category alone. With joint assignment all tokens of a
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
"""Iterations of k-means in a trial."""

TRIAL_ROUNDS = 2
"""Rounds of the fit of joint codes in a trial."""

TRIAL_RIDGE = RIDGE_GRID[1]
"""Ridge strength of joint trials. It is not optimized, since joint codes replace the decoder."""

MAX_JOINT_CODES = 12_288
"""Maximum number of joint codes: they are fitted all at once, with memory that grows with the square of the number."""

MAX_JOINT_PARTITIONS = 3
"""Number of partitions on which joint codes are tried, since a joint trial takes longer than a local one."""

COMPARISON_ROUNDS = 2
"""Rounds of the fit of joint codes with which a local model is compared."""

MAX_COMPARISON_CODES = 4096
"""Maximum number of codes of a local model for which joint codes are fitted for a comparison."""


class Assignment(ABC):
    """The way in which tokens are assigned.

    ``decoder_width`` is the number of hidden units of the decoder over those of an encoder. ``streams_table`` is True
    if epochs read every training row from the file, and False if they use the rows that are held in memory.
    ``trains_network`` is True if epochs train the encoders, quantizers and decoders. ``improvement_hint`` is the part
    of a message about unmet quality that suggests another assignment.
    """

    name: ClassVar[str]
    decoder_width: ClassVar[int]
    streams_table: ClassVar[bool]
    trains_network: ClassVar[bool]
    improvement_hint: ClassVar[str]

    @abstractmethod
    def initialize(self, model: CategoricalVQVAE, rows: Tensor) -> None:
        """Fit what follows the closed-form initialization of the network.

        Parameters
        ----------
        model
            Network whose encoders, quantizers and decoders are initialized.
        rows
            Training rows [n, D] in normalized units, interpolated rows included.
        """

    @abstractmethod
    def max_codes(self, cap: int, num_categories: int) -> int:
        """Return the maximum number of codes of a codebook, of which the rows allow ``cap``."""

    @abstractmethod
    def try_sizes(self, trials: Trials, spec: ModelSpec) -> SizeTrial:
        """Fit codes of the sizes of a specification in closed form and measure them on held-out rows."""

    @abstractmethod
    def compare(self, trials: Trials, specs: Sequence[ModelSpec]) -> list[float | None]:
        """Return the quality of each specification on held-out rows; None for those that are not compared."""

    @abstractmethod
    def joint_network(self, model: CategoricalVQVAE, rows: Tensor) -> JointVQVAE | None:
        """Return the network with joint tokens with which local tokens of a trained model are compared.

        Parameters
        ----------
        model
            Trained network.
        rows
            Training rows [n, D] on which joint codes are fitted if the model has none.

        Returns
        -------
        JointVQVAE or None
            None if the model has too many codes for the comparison.
        """

    @abstractmethod
    def training_note(self, reconstruction_weight: float) -> list[str]:
        """Return lines of the plan on what epochs train; no line if they train all of the network."""


class LocalAssignment(Assignment):
    """A token depends on the columns of its category alone; epochs train the whole network."""

    name: ClassVar[str] = "local"
    decoder_width: ClassVar[int] = 2
    streams_table: ClassVar[bool] = True
    trains_network: ClassVar[bool] = True
    improvement_hint: ClassVar[str] = " or assignment: joint"

    def initialize(self, model: CategoricalVQVAE, rows: Tensor) -> None:
        """Do nothing, because the closed form is complete."""

    def max_codes(self, cap: int, num_categories: int) -> int:
        """Return ``cap``."""
        return cap

    def try_sizes(self, trials: Trials, spec: ModelSpec) -> SizeTrial:
        """Fit the closed form, with the ridge strength that is best on held-out rows."""
        generator = torch.Generator().manual_seed(trials.seed)
        rows, bases = trials.fit_rows, trials.bases(spec)
        buckets = fit_buckets(rows, spec, bases, generator=generator, iterations=TRIAL_ITERATIONS)
        latents, held_out = quantize_rows(buckets, rows), quantize_rows(buckets, trials.held_out)
        decoders = fit_decoders(latents, rows, local_decoder(buckets, spec.num_columns), RIDGE_GRID)
        qualities = [trials.quality(held_out @ decoder) for decoder in decoders]
        best = int(np.argmax(qualities))
        utilization = _expected_utilization(trials, buckets)
        return SizeTrial(spec.num_codes, spec.latent_dims, RIDGE_GRID[best], qualities[best], utilization)

    def compare(self, trials: Trials, specs: Sequence[ModelSpec]) -> list[float | None]:
        """Try all specifications."""
        return list(parallel_map(lambda spec: self.try_sizes(trials, spec).quality, specs, trials.device))

    def joint_network(self, model: CategoricalVQVAE, rows: Tensor) -> JointVQVAE | None:
        """Fit joint codes for a copy of the model, without training them."""
        if sum(size for sizes in model.spec.num_codes for size in sizes) > MAX_COMPARISON_CODES:
            return None
        joint = model.with_joint_codes()
        fit_joint_codes(joint, rows, COMPARISON_ROUNDS)
        joint.eval()
        return joint

    def training_note(self, reconstruction_weight: float) -> list[str]:
        """Return no line."""
        return []


class JointAssignment(Assignment):
    """All tokens of a row are selected together; epochs train only the refinement of the sum of codes.

    The decoder is wider than that of local assignment, because it learns from many more rows, interpolated ones.
    """

    name: ClassVar[str] = "joint"
    decoder_width: ClassVar[int] = 4
    streams_table: ClassVar[bool] = False
    trains_network: ClassVar[bool] = False
    improvement_hint: ClassVar[str] = ""

    def initialize(self, model: CategoricalVQVAE, rows: Tensor) -> None:
        """Fit the joint codes."""
        assert isinstance(model, JointVQVAE), "build_network builds a network with joint codes"
        fit_joint_codes(model, rows)

    def max_codes(self, cap: int, num_categories: int) -> int:
        """Return ``cap``, or less if all codebooks together would have more than :data:`MAX_JOINT_CODES`."""
        return max(2, min(cap, MAX_JOINT_CODES // (LEVELS * num_categories)))

    def try_sizes(self, trials: Trials, spec: ModelSpec) -> SizeTrial:
        """Fit the closed form and joint codes on rows and points between them; assign held-out rows quickly."""
        rows, held_out = trials.augmented_rows, trials.held_out
        model = JointVQVAE(spec).to(trials.device)
        initialize_closed_form(
            model, rows, ridge=TRIAL_RIDGE, rows_per_batch=len(rows), seed=trials.seed, iterations=TRIAL_ITERATIONS
        )
        tokens = fit_joint_codes(model, rows, TRIAL_ROUNDS).flatten(1)
        held_out_tokens = assign_tokens(model.joint, held_out, make_codec(model).encode_local(held_out))
        quality = trials.quality(model.joint.sums(held_out_tokens))
        sizes = [size for sizes in spec.num_codes for size in sizes]
        counts = [torch.bincount(column, minlength=size) for column, size in zip(tokens.t(), sizes, strict=True)]
        utilization = float(np.mean([float(trials.expected_use(count / len(rows)).mean()) for count in counts]))
        return SizeTrial(spec.num_codes, spec.latent_dims, TRIAL_RIDGE, quality, utilization)

    def compare(self, trials: Trials, specs: Sequence[ModelSpec]) -> list[float | None]:
        """Try joint codes on the few specifications that are best with local codes."""
        local = parallel_map(lambda spec: LocalAssignment().try_sizes(trials, spec).quality, specs, trials.device)
        best = sorted(range(len(specs)), key=lambda index: -local[index])[:MAX_JOINT_PARTITIONS]
        return [self.try_sizes(trials, spec).quality if i in best else None for i, spec in enumerate(specs)]

    def joint_network(self, model: CategoricalVQVAE, rows: Tensor) -> JointVQVAE | None:
        """Return the model itself."""
        assert isinstance(model, JointVQVAE), "build_network builds a network with joint codes"
        return model

    def training_note(self, reconstruction_weight: float) -> list[str]:
        """Say which part is trained, and by which loss."""
        lines = [
            "joint assignment: epochs train the refinement of joint codes by reconstruction_weight alone; other "
            "losses, EMA and resets belong to local assignment"
        ]
        return lines if reconstruction_weight else [*lines, "reconstruction_weight is 0: nothing is trained"]


ASSIGNMENTS: dict[str, Assignment] = {kind.name: kind() for kind in (LocalAssignment, JointAssignment)}
"""The assignments by the value of the configuration key ``assignment``."""


def assignment_of(name: str) -> Assignment:
    """Return the assignment of a configuration or of a model specification by its name."""
    return ASSIGNMENTS[name]


def _expected_utilization(trials: Trials, buckets: Sequence[FittedBucket]) -> float:
    """Average the expected use over the codes of each codebook and over codebooks."""
    fractions = []
    for level in (level for bucket in buckets for level in bucket.levels):
        use = trials.expected_use(level.counts / level.counts.sum(-1, keepdim=True)) * level.mask
        fractions.append(use.sum(-1) / level.mask.sum(-1))
    return float(torch.cat(fractions).mean())
