"""The ensemble of the members: mean logits of the families, and pooled densities of the parameters.

Letters: ``B`` rows, ``T`` token columns, ``F`` families, ``d`` parameters of a family.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spinlock.ano.density.mixture import GaussianMixture
from spinlock.ano.network.member import Member, RowState


class Ensemble:
    """Trained members in evaluation mode.

    Parameters
    ----------
    members
        The members, which have equal sizes.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = [member.eval() for member in members]

    def states(self, tokens: Tensor) -> list[RowState]:
        """Return what each member computes from tokens [B, T] before its outputs."""
        with torch.no_grad():
            return [member.state(tokens) for member in self.members]

    def family_logits(self, states: Sequence[RowState]) -> Tensor:
        """Return the mean [B, F] over the members of the log probabilities of the families, before the temperature."""
        with torch.no_grad():
            pairs = zip(self.members, states, strict=True)
            logits = [torch.log_softmax(member.family_logits(state), dim=-1) for member, state in pairs]
            return torch.stack(logits).mean(0)

    def density(self, states: Sequence[RowState], family: int, num_parameters: int) -> GaussianMixture:
        """Return the pooled density of the parameters of a family in double precision.

        Without a density in the network it is the prior of ``num_parameters`` parameters.
        """
        if not self.members[0].spec.num_parameters[family]:
            return GaussianMixture.standard(len(states[0]), num_parameters).double()
        with torch.no_grad():
            pairs = zip(self.members, states, strict=True)
            return GaussianMixture.pooled([member.density(state, family) for member, state in pairs]).double()
