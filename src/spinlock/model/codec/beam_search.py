"""Beam search over the levels of one category: min over k of sum_l u_l[k_l] + sum over m < l of x_ml[k_m, k_l].

With vectors T_l[k] and y = a row, |y - sum_l T_l[k_l]|^2 - |y|^2 has this form, u_l[k] = |T_l[k]|^2 - 2 y T_l[k] and
x_ml = 2 T_m T_l'. The nearest code level by level (width 1) is not the nearest sum of codes; keeping the best few
prefixes nearly is (Babenko and Lempitsky, 2014).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

FEW = 8
"""On a CPU so many smallest are found one by one: NumPy vectorizes the argmin of a short row, torch does not."""

VECTORIZED = 64
"""Whole runs of so many numbers NumPy takes together; what is left of a row it takes one by one."""


@dataclass(frozen=True)
class Cross:
    """Pairwise costs, and where the codes of each level begin [L] in such a stack.

    x_l [K_0 + ... + K_(l-1), K_l] of each level l: the x_ml of all coarser levels m, one below the other.
    """

    tables: Sequence[Tensor]
    starts: Tensor


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
    starts = cross.starts
    kept = min(max(width, 2), unary[0].shape[1])  # one more than a width of 1 needs, for the runner-up
    cost, first = smallest(unary[0].clone(memory_format=torch.contiguous_format), kept)
    closest = _lead(cost) if width == 1 or len(unary) == 1 else torch.full_like(cost[:, 0], torch.inf)
    cost, prefixes = cost[:, :width], first[:, :width, None]
    for level in range(1, len(unary)):
        costs = _sums(cross.tables[level], prefixes).add_(unary[level][:, None]).add_(cost[..., None])
        last = level == len(unary) - 1
        cost, place = smallest(costs.flatten(1), min(2 if last else max(width, 2), costs[0].numel()))
        if width == 1 or last:
            closest = torch.minimum(closest, _lead(cost))
        cost, place = cost[:, :width], place[:, :width]
        parent = torch.div(place, costs.shape[2], rounding_mode="floor")
        code = place - parent * costs.shape[2]
        prefixes = torch.cat([_chosen(prefixes, parent), code[..., None] + starts[level]], dim=-1)
    return Found(prefixes[:, 0] - starts, cost[:, 0], closest)


def smallest(costs: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` smallest of each row [B, k] of finite costs, ascending, and their places.

    Few of them on a CPU, up to :data:`FEW`, use the costs up, and the first of equals comes first.
    """
    if costs.device.type != "cpu" or count > FEW:
        values, places = costs.topk(count, dim=1, largest=False)
        return values, places
    if missing := -costs.shape[1] % VECTORIZED:
        costs = F.pad(costs, (0, missing), value=torch.inf)
    table = costs.contiguous().numpy()
    cells, starts = table.reshape(-1), np.arange(0, table.size, table.shape[1])
    least, where = np.empty((len(table), count), table.dtype), np.empty((len(table), count), np.int64)
    for i in range(count):
        where[:, i] = table.argmin(1)
        found = starts + where[:, i]
        least[:, i] = cells[found]
        cells[found] = np.inf
    return torch.from_numpy(least), torch.from_numpy(where)


def _chosen(values: Tensor, places: Tensor) -> Tensor:
    """Of values [B, W, k] those at places [B, w]: [B, w, k]."""
    return values.gather(1, places[..., None].expand(-1, -1, values.shape[-1]))


def _sums(table: Tensor, prefixes: Tensor) -> Tensor:
    """Pairwise costs [B, W, K] of the codes of a level with prefixes [B, W, l], rows of the stacked tables."""
    rows, beam, coarser = prefixes.shape
    flat = F.embedding_bag(prefixes.reshape(rows * beam, coarser), table, mode="sum")
    return flat.view(rows, beam, -1)


def _lead(cost: Tensor) -> Tensor:
    """By how much the second of sorted costs [B, k] exceeds the first; infinite where there is none."""
    return cost[:, 1] - cost[:, 0] if cost.shape[1] > 1 else torch.full_like(cost[:, 0], torch.inf)


def cost_of(codes: Tensor, unary: Sequence[Tensor], cross: Cross) -> Tensor:
    """The cost [B] of given codes [B, L]."""
    total = torch.stack([costs.gather(1, codes[:, level, None])[:, 0] for level, costs in enumerate(unary)]).sum(0)
    rows = codes + cross.starts
    for level in range(1, len(unary)):
        total = total + cross.tables[level][rows[:, :level], codes[:, level, None]].sum(1)
    return total


def pairwise(vectors: Sequence[Tensor], toward: Sequence[Tensor] | None = None) -> Cross:
    """x_ml = 2 T_m R_l' of vectors T_l and R_l [K_l, d]; R is T where it is not given."""
    toward = vectors if toward is None else toward
    stacked = [torch.cat([vectors[0][:0], *vectors[:level]]) for level in range(len(vectors))]
    tables = [2 * coarser @ fine.t() for coarser, fine in zip(stacked, toward, strict=True)]
    return Cross(tables, torch.tensor([len(coarser) for coarser in stacked], device=vectors[0].device))
