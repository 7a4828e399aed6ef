"""Comparison of local and joint tokens of the same codebook sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from spinlock.model import CategoricalVQVAE, JointVQVAE
from spinlock.model.codec import make_codec
from spinlock.preprocessing.training_data import TrainingData
from spinlock.sizing.assignment import assignment_of

MAX_ROWS = 16_384
"""Maximum number of rows on which joint codes are fitted for the comparison."""


@dataclass(frozen=True)
class AssignmentComparison:
    """Metrics of local and of joint tokens of the validation rows, at the same bits per row.

    Attributes
    ----------
    quality_local, quality_joint
        Fraction of variance explained.
    share_of_equal_tokens
        Fraction of the joint tokens that equal the local tokens.
    energy_within_category
        Fraction of |T|^2 in the columns of the code's own category, for the vector T of a joint code; mean over codes.

    Notes
    -----
    All attributes except ``quality_local`` are None if a local model has too many codes for a fit of joint codes.
    """

    quality_local: float
    quality_joint: float | None
    share_of_equal_tokens: float | None
    energy_within_category: float | None

    def to_dict(self) -> dict[str, float | None]:
        """Return the values by their names in the final metrics."""
        return asdict(self)


@torch.no_grad()
def compare_assignments(model: CategoricalVQVAE, data: TrainingData) -> AssignmentComparison:
    """Compare local and joint tokens on validation rows.

    For a model with local assignment, joint codes are fitted on training rows but not trained.

    Parameters
    ----------
    model
        Trained network.
    data
        Its training data.

    Returns
    -------
    AssignmentComparison
    """
    rows = data.validation
    z_scores = torch.from_numpy(data.cleaner.to_z_scores(rows.cpu().numpy()))

    def quality(decoded: Tensor) -> float:
        restored = torch.from_numpy(data.cleaner.to_z_scores(decoded.cpu().numpy()))
        return float(1 - (z_scores - restored).double().square().sum() / z_scores.double().square().sum())

    codec = make_codec(model)
    local_tokens = codec.encode_local(rows)
    quality_local = quality(codec.decode_local(local_tokens))
    joint = assignment_of(model.spec.assignment).joint_network(model, data.train[_evenly_spaced(len(data.train))])
    if joint is None:
        return AssignmentComparison(quality_local, None, None, None)
    joint_codec = make_codec(joint)
    tokens = joint_codec.encode(rows).indices
    return AssignmentComparison(
        quality_local=quality_local,
        quality_joint=quality(joint_codec.decode(tokens)),
        share_of_equal_tokens=float((local_tokens == tokens).double().mean()),
        energy_within_category=_energy_within(joint),
    )


def _evenly_spaced(count: int) -> Tensor:
    """Return at most :data:`MAX_ROWS` evenly spaced indices of ``count`` rows."""
    return torch.linspace(0, count - 1, min(count, MAX_ROWS)).round().long()


def _energy_within(model: JointVQVAE) -> float:
    """Return ``energy_within_category`` of the joint codes of a network."""
    fractions = []
    for group, codebooks in zip(model.spec.groups, model.joint.codebooks(), strict=True):
        for codebook in codebooks:
            energy = codebook.double().square()
            total = energy.sum(1)
            fractions.append((energy[:, list(group)].sum(1) / total.clamp(min=1e-12))[total > 0])
    return float(torch.cat(fractions).mean())
