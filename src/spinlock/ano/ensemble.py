"""The ensemble of the members: mean logits of the families, and pooled densities of the parameters.

Letters: ``B`` rows, ``T`` token columns, ``F`` families, ``d`` parameters of a family.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spinlock.ano.mixture import GaussianMixture
from spinlock.ano.network import Member


class Ensemble:
    """Trained members in evaluation mode.

    Parameters
    ----------
    members
        The members, which have equal sizes.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = [member.eval() for member in members]

    def contexts(self, tokens: Tensor) -> list[Tensor]:
        """Return the hidden state [B, H] of each member for tokens [B, T]."""
        with torch.no_grad():
            return [member.context(tokens) for member in self.members]

    def family_logits(self, contexts: Sequence[Tensor]) -> Tensor:
        """Return the mean [B, F] over the members of the log probabilities of the families, before the temperature."""
        with torch.no_grad():
            pairs = zip(self.members, contexts, strict=True)
            logits = [torch.log_softmax(member.family_logits(context), dim=-1) for member, context in pairs]
            return torch.stack(logits).mean(0)

    def density(self, contexts: Sequence[Tensor], family: int, num_parameters: int) -> GaussianMixture:
        """Return the pooled density of the parameters of a family in double precision.

        Without a density in the network it is the prior of ``num_parameters`` parameters.
        """
        if not self.members[0].spec.num_parameters[family]:
            return GaussianMixture.standard(len(contexts[0]), num_parameters).double()
        with torch.no_grad():
            pairs = zip(self.members, contexts, strict=True)
            return GaussianMixture.pooled([member.density(context, family) for member, context in pairs]).double()
