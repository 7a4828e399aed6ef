"""Joint assignment: all tokens of a row are selected together (:mod:`spinlock.model.network.joint_codes`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from spinlock.initialization.joint_codes import assign_tokens, fit_joint_codes
from spinlock.initialization.network import initialize_closed_form
from spinlock.initialization.ridge import RIDGE_GRID
from spinlock.model import LEVELS, CategoricalVQVAE, JointVQVAE, ModelSpec
from spinlock.model.codec import make_codec
from spinlock.sizing.assignment.interface import TRIAL_ITERATIONS, Assignment
from spinlock.sizing.assignment.local import LocalAssignment
from spinlock.sizing.trials import SizeTrial, Trials

TRIAL_ROUNDS = 2
"""Number of rounds in which a trial fits joint codes."""

TRIAL_RIDGE = RIDGE_GRID[1]
"""Ridge strength of the decoder in joint trials. It is not optimized, since joint codes replace the decoder."""

MAX_JOINT_CODES = 12_288
"""Maximum number of joint codes. All are fitted at once, with memory quadratic in their number."""

MAX_JOINT_PARTITIONS = 3
"""Maximum number of partitions on which joint codes are tried, since a joint trial takes longer than a local one."""


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
            normalized_quality=trials.normalized_quality(reconstruction),
            rank_quality=trials.rank_quality(reconstruction),
            utilization=utilization,
        )

    def compare(self, trials: Trials, specs: Sequence[ModelSpec]) -> list[float | None]:
        """Try joint codes for the few specifications with the best quality with local codes."""
        local = LocalAssignment().compare(trials, specs)
        best = sorted(range(len(specs)), key=lambda index: -(local[index] or 0.0))[:MAX_JOINT_PARTITIONS]
        return [self.try_sizes(trials, spec).normalized_quality if i in best else None for i, spec in enumerate(specs)]

    def joint_network(self, model: CategoricalVQVAE, rows: Tensor) -> JointVQVAE | None:
        """Return the network itself."""
        assert isinstance(model, JointVQVAE), "build_network builds a network with joint codes"
        return model

    def training_note(self, reconstruction_weight: float) -> list[str]:
        """Return a message about the part that is trained, and a warning if nothing is trained."""
        lines = [
            "joint assignment: epochs train only the hidden layer after the sum of the codes, with the reconstruction "
            "loss; other losses, EMA and resets are not used"
        ]
        return lines if reconstruction_weight else [*lines, "reconstruction_weight is 0: nothing is trained"]
