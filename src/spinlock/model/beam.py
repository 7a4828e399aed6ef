"""Beam search over the levels of one category: min over k of sum_l u_l[k_l] + sum over m < l of x_ml[k_m, k_l].

With vectors T_l[k] and y = a row, |y - sum_l T_l[k_l]|^2 - |y|^2 has this form, u_l[k] = |T_l[k]|^2 - 2 y T_l[k] and
x_ml = 2 T_m T_l'. The nearest code level by level (width 1) is not the nearest sum of codes; keeping the best few
prefixes nearly is (Babenko and Lempitsky, 2014).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Cross = Mapping[tuple[int, int], Tensor]
"""x_ml [K_m, K_l] for m < l."""


@dataclass(frozen=True)
class Found:
    """The best codes [B, L] of each row, their ``cost`` [B], and by how much the ``runner_up`` [B] costs more.

    With a width of 1 the runner-up is the closest one of any level: what is given up there never comes back.
    """

    codes: Tensor
    cost: Tensor
    runner_up: Tensor


def beam_search(unary: Sequence[Tensor], cross: Cross, width: int) -> Found:
    """Codes of B rows from unary costs u_l [B, K_l] and pairwise ones; rows do not see one another."""
    kept = min(max(width, 2), unary[0].shape[1])  # one more than a width of 1 needs, for the runner-up
    cost, first = unary[0].topk(kept, dim=1, largest=False)
    closest = _lead(cost) if width == 1 else torch.full_like(cost[:, 0], torch.inf)
    cost, prefixes = cost[:, :width], [first[:, :width]]
    for level in range(1, len(unary)):
        size = unary[level].shape[1]
        costs = cost[..., None] + unary[level][:, None]
        for coarse, chosen in enumerate(prefixes):
            costs = costs + cross[coarse, level][chosen]
        last = level == len(unary) - 1
        kept = min(2 if last else max(width, 2), costs[0].numel())
        cost, place = costs.flatten(1).topk(kept, dim=1, largest=False)
        if width == 1 or last:
            closest = torch.minimum(closest, _lead(cost))
        if not last:
            cost, place = cost[:, :width], place[:, :width]
        parent = torch.div(place, size, rounding_mode="floor")
        prefixes = [chosen.gather(1, parent) for chosen in prefixes] + [place % size]
    if len(unary) == 1:
        closest = _lead(cost)
    return Found(torch.stack([chosen[:, 0] for chosen in prefixes], dim=1), cost[:, 0], closest)


def _lead(cost: Tensor) -> Tensor:
    """By how much the second of sorted costs [B, k] exceeds the first; infinite where there is none."""
    return cost[:, 1] - cost[:, 0] if cost.shape[1] > 1 else torch.full_like(cost[:, 0], torch.inf)


def cost_of(codes: Tensor, unary: Sequence[Tensor], cross: Cross) -> Tensor:
    """The cost [B] of given codes [B, L]."""
    total = torch.stack([costs.gather(1, codes[:, level, None])[:, 0] for level, costs in enumerate(unary)]).sum(0)
    for (coarse, fine), table in cross.items():
        total = total + table[codes[:, coarse], codes[:, fine]]
    return total


def pairwise(vectors: Sequence[Tensor], toward: Sequence[Tensor] | None = None) -> dict[tuple[int, int], Tensor]:
    """x_ml = 2 T_m R_l' [K_m, K_l] of vectors T_l and R_l [K_l, d]; R is T where it is not given."""
    toward = vectors if toward is None else toward
    return {
        (coarse, fine): 2 * vectors[coarse] @ toward[fine].t() for fine in range(len(vectors)) for coarse in range(fine)
    }
