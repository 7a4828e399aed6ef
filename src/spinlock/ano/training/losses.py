"""Losses of a member: the negative log likelihood of the family, and of the parameters given the family.

Letters: ``N`` operators, ``n`` rows of a batch, ``T`` token columns, ``P`` parameters of all families together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from spinlock.ano.data.space import ParameterSpace
from spinlock.ano.density.mixture import GaussianMixture
from spinlock.ano.network.member import Member
from spinlock.ano.training.state import PARTS


@dataclass(frozen=True)
class Targets:
    """What a member learns from.

    Attributes
    ----------
    tokens, family
        Tokens [N, T] and family [N].
    points, present
        z [N, P] with 0 for absent parameters, and which parameters exist.
    left_out
        Regression [N, P] of each operator that is fitted without it; None for operators on which the regressions were
        not fitted.
    """

    tokens: Tensor
    family: Tensor
    points: Tensor
    present: Tensor
    left_out: Tensor | None = None

    @classmethod
    def of(cls, tokens: NDArray[np.int64], family: NDArray[np.int64], real: NDArray[np.float64]) -> Targets:
        """Return the targets of operators; ``real`` is z [N, P], NaN for absent parameters."""
        points = torch.from_numpy(np.nan_to_num(real)).float()
        return cls(torch.from_numpy(tokens), torch.from_numpy(family), points, torch.from_numpy(np.isfinite(real)))

    def __getitem__(self, rows: Tensor) -> Targets:
        left_out = None if self.left_out is None else self.left_out[rows]
        return Targets(self.tokens[rows], self.family[rows], self.points[rows], self.present[rows], left_out)

    def __len__(self) -> int:
        return len(self.family)

    def to(self, device: torch.device) -> Targets:
        """Return the targets on a device."""
        left_out = None if self.left_out is None else self.left_out.to(device)
        tokens, family = self.tokens.to(device), self.family.to(device)
        return Targets(tokens, family, self.points.to(device), self.present.to(device), left_out)


@dataclass(frozen=True)
class Losses:
    """Mean losses of the rows of a batch in nats.

    Attributes
    ----------
    family
        Cross entropy of the family.
    parameters
        Negative log likelihood of the parameters relative to that of the prior; its negative is the mean information
        about the parameters that the density contains.
    """

    family: Tensor
    parameters: Tensor

    @property
    def total(self) -> Tensor:
        """The sum, which is minimized."""
        return self.family + self.parameters


def member_losses(member: Member, targets: Targets, space: ParameterSpace, parts: Sequence[str] = PARTS) -> Losses:
    """Return the losses of a member on a batch; the loss of a part that is not in ``parts`` is 0."""
    state = member.state(targets.tokens)
    family = total = state.density.new_zeros(())
    if "family" in parts:
        family = functional.cross_entropy(member.family_logits(state), targets.family)
    if "density" not in parts:
        return Losses(family, total)
    for index in torch.unique(targets.family).tolist():
        if not member.spec.num_parameters[index]:
            continue
        rows, columns = targets.family == index, list(space.columns[index])
        points, present = targets.points[rows][:, columns], targets.present[rows][:, columns]
        prior = GaussianMixture.standard(len(points), len(columns), points.device)
        regression = None if targets.left_out is None else targets.left_out[rows][:, columns]
        gain = member.density(state[rows], index, regression).log_prob(points, present)
        total = total - (gain - prior.log_prob(points, present)).sum()
    return Losses(family, total / len(targets))
