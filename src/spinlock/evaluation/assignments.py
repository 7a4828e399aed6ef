"""What the choice between local and joint tokens is worth, and how local the joint ones are."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from spinlock.initialization.joint_codes import fit_joint
from spinlock.model import CategoricalVQVAE
from spinlock.model.codec.inference import decode_local_tokens, decode_tokens, encode_local_rows, encode_rows
from spinlock.preprocessing.training_data import TrainingData

ROUNDS = 2
"""Of the fit of joint codes for a local model, which is for the comparison only."""


MAX_CODES, MAX_ROWS = 4096, 16_384
"""What this comparison is fitted with at most; its memory grows with the square of the codes."""


@dataclass(frozen=True)
class Locality:
    """Quality of validation rows with either kind of tokens, at the same bits.

    ``share_of_equal_tokens`` of the joint tokens are the local ones; ``energy_within_category`` is the mean over joint
    codes of the share of |T|^2 that lies in the columns of the code's own category. None where a local model has more
    codes than joint ones are fitted for.
    """

    quality_local: float
    quality_joint: float | None
    share_of_equal_tokens: float | None
    energy_within_category: float | None

    def named(self) -> dict[str, float | None]:
        """By the names used in the metrics."""
        return asdict(self)


@torch.no_grad()
def locality(model: CategoricalVQVAE, data: TrainingData) -> Locality:
    """Compare both assignments; a local model gets joint codes for it, fitted on training rows but not trained."""
    rows = data.validation
    standard = torch.from_numpy(data.cleaner.to_z_scores(rows.cpu().numpy()))

    def quality(restored: Tensor) -> float:
        found = torch.from_numpy(data.cleaner.to_z_scores(restored.cpu().numpy()))
        return float(1 - (standard - found).double().square().sum() / standard.double().square().sum())

    if model.joint is None and sum(size for sizes in model.spec.num_codes for size in sizes) > MAX_CODES:
        return Locality(quality(decode_tokens(model, encode_rows(model, rows).indices)), None, None, None)
    joint = model if model.joint is not None else _with_joint_codes(model, data.train[_evenly(len(data.train))])
    local_tokens, tokens = encode_local_rows(joint, rows), encode_rows(joint, rows).indices
    return Locality(
        quality_local=quality(decode_local_tokens(model, local_tokens)),
        quality_joint=quality(decode_tokens(joint, tokens)),
        share_of_equal_tokens=float((local_tokens == tokens).double().mean()),
        energy_within_category=_energy_within(joint),
    )


def _evenly(count: int) -> Tensor:
    """Positions of at most MOST_ROWS of ``count`` rows."""
    return torch.linspace(0, count - 1, min(count, MAX_ROWS)).round().long()


def _with_joint_codes(model: CategoricalVQVAE, rows: Tensor) -> CategoricalVQVAE:
    joint = model.with_joint_codes()
    fit_joint(joint, rows, ROUNDS)
    return joint.eval()


def _energy_within(model: CategoricalVQVAE) -> float:
    assert model.joint is not None, "joint codes were fitted"
    shares = []
    for group, books in zip(model.spec.groups, model.joint.books(), strict=True):
        for book in books:
            energy = book.double().square()
            total = energy.sum(1)
            shares.append((energy[:, list(group)].sum(1) / total.clamp(min=1e-12))[total > 0])
    return float(torch.cat(shares).mean())
