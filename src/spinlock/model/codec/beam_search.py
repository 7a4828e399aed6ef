"""Beam search for the codes of one category: minimize sum_l u_l[k_l] + sum over m < l of x_ml[k_m, k_l].

With vectors T_l[k] of the codes and a row y, |y - sum_l T_l[k_l]|^2 - |y|^2 has this form with the unary costs
u_l[k] = |T_l[k]|^2 - 2 y T_l[k] and the pairwise costs x_ml = 2 T_m T_l'. A greedy search, which takes the best code at
each level, often misses the nearest sum of codes. A beam search, which keeps several prefixes of codes, rarely does
(Babenko and Lempitsky, 2014).

Letters: ``B`` rows, ``L`` levels, ``K_l`` codes of level l, ``W`` prefixes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

MAX_ARGMIN_COUNT = 8
"""Up to this number of smallest costs, a CPU repeats NumPy's vectorized argmin, which is faster than topk."""

VECTOR_LENGTH = 64
"""Rows of costs are padded to a multiple of this length, because NumPy processes the remainder element by element."""


@dataclass(frozen=True)
class PairwiseCosts:
    """Pairwise costs of the codes of one category.

    ``tables[l]`` [K_0 + ... + K_(l-1), K_l] stacks x_ml of all coarser levels m. ``starts`` [L] is the first row of
    each level in this stack.
    """

    tables: Sequence[Tensor]
    starts: Tensor


@dataclass(frozen=True)
class BeamResult:
    """The best ``codes`` [B, L] of each row and their ``cost`` [B].

    ``margin`` [B] is the cost of the second best codes minus ``cost``. It is infinite if there is only one combination
    of codes.
    """

    codes: Tensor
    cost: Tensor
    margin: Tensor


def beam_search(unary: Sequence[Tensor], pairwise: PairwiseCosts, width: int) -> BeamResult:
    """Search for the codes with the smallest cost. The result of a row does not depend on the other rows.

    Parameters
    ----------
    unary
        Unary costs u_l [B, K_l] of each level.
    pairwise
        Pairwise costs from :func:`pairwise_costs`.
    width
        Number of prefixes of codes that are kept after each level except the last.

    Returns
    -------
    BeamResult
        Codes, their costs and margins.
    """
    last = len(unary) - 1
    cost, codes = smallest(
        unary[0].clone(memory_format=torch.contiguous_format), min(width if last else 2, unary[0].shape[1])
    )
    prefixes = codes[..., None]
    for level in range(1, len(unary)):
        costs = _prefix_costs(pairwise.tables[level], prefixes).add_(unary[level][:, None]).add_(cost[..., None])
        cost, position = smallest(costs.flatten(1), min(2 if level == last else width, costs[0].numel()))
        parent = torch.div(position, costs.shape[2], rounding_mode="floor")
        code = position - parent * costs.shape[2]
        prefixes = prefixes.gather(1, parent[..., None].expand(-1, -1, level))
        prefixes = torch.cat([prefixes, code[..., None] + pairwise.starts[level]], dim=-1)
    margin = cost[:, 1] - cost[:, 0] if cost.shape[1] > 1 else torch.full_like(cost[:, 0], torch.inf)
    return BeamResult(prefixes[:, 0] - pairwise.starts, cost[:, 0], margin)


def smallest(costs: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Find the ``count`` smallest entries of each row.

    Parameters
    ----------
    costs
        Finite costs [B, k]. If ``count`` is at most :data:`MAX_ARGMIN_COUNT`, a CPU overwrites them, and equal costs
        are ordered by position.
    count
        Number of entries.

    Returns
    -------
    tuple of Tensor
        The values [B, count] in ascending order, and their positions [B, count].
    """
    if costs.device.type != "cpu" or count > MAX_ARGMIN_COUNT:
        values, positions = costs.topk(count, dim=1, largest=False)
        return values, positions
    if missing := -costs.shape[1] % VECTOR_LENGTH:
        costs = F.pad(costs, (0, missing), value=torch.inf)
    table = costs.contiguous().numpy()
    cells, starts = table.reshape(-1), np.arange(0, table.size, table.shape[1])
    minima, columns = np.empty((len(table), count), table.dtype), np.empty((len(table), count), np.int64)
    for i in range(count):
        columns[:, i] = table.argmin(1)
        minima[:, i] = cells[starts + columns[:, i]]
        cells[starts + columns[:, i]] = np.inf
    return torch.from_numpy(minima), torch.from_numpy(columns)


def _prefix_costs(table: Tensor, prefixes: Tensor) -> Tensor:
    """Return the sums [B, W, K] of the pairwise costs between each prefix of codes and each code of a level.

    ``prefixes`` [B, W, l] are row indices of the stacked pairwise costs ``table``.
    """
    rows, beam, coarser = prefixes.shape
    sums = F.embedding_bag(prefixes.reshape(rows * beam, coarser), table, mode="sum")
    return sums.view(rows, beam, -1)


def cost_of_codes(codes: Tensor, unary: Sequence[Tensor], pairwise: PairwiseCosts) -> Tensor:
    """Return the cost of given codes.

    Parameters
    ----------
    codes
        Codes [B, L].
    unary
        Unary costs u_l [B, K_l] of each level.
    pairwise
        Pairwise costs from :func:`pairwise_costs`.

    Returns
    -------
    Tensor
        Costs [B].
    """
    total = torch.stack([costs.gather(1, codes[:, level, None])[:, 0] for level, costs in enumerate(unary)]).sum(0)
    rows = codes + pairwise.starts
    for level in range(1, len(unary)):
        total = total + pairwise.tables[level][rows[:, :level], codes[:, level, None]].sum(1)
    return total


def pairwise_costs(vectors: Sequence[Tensor]) -> PairwiseCosts:
    """Return x_ml = 2 T_m T_l' of the vectors T_l [K_l, d] of each level."""
    stacked = [torch.cat([vectors[0][:0], *vectors[:level]]) for level in range(len(vectors))]
    tables = [2 * coarser @ fine.t() for coarser, fine in zip(stacked, vectors, strict=True)]
    return PairwiseCosts(tables, torch.tensor([len(coarser) for coarser in stacked], device=vectors[0].device))
