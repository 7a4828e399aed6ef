"""Replace codes that nothing is assigned to by latents that are quantized badly.

A code is dead when its usage n is at or below the given percentile of its codebook *and* below a tenth of the fair
share sum n / K, and it was not replaced in the last 1 / (1 - decay) steps: a healthy codebook is never touched. The
replacements are rows of the batch, drawn without repetition in proportion to their squared error (Gumbel top-k). Comes
after the moving average of the same step and sets codes, counts and sums together, S = n~ e; otherwise the next update
undoes it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spinlock.model.network.quantizer import LevelResult, QuantizerLevel

DEAD_SHARE = 0.1
"""A code used less than this share of an even use may be dead."""


@torch.no_grad()
def reset_dead_codes(
    level: QuantizerLevel,
    result: LevelResult,
    *,
    percentile: float,
    max_fraction: float,
    cool_down: int,
    noise: Tensor,
) -> Tensor:
    """Replace dead codes of one level; returns how many, a scalar tensor.

    ``noise`` [C, B] are uniform draws in (0, 1); at most ``max_fraction`` of a codebook (but one code, unless it is 0)
    is replaced at once, the least used codes first. No host synchronization: decisions are made by ``torch.where``.
    """
    size = level.mask.sum(-1, keepdim=True)
    fair = level.counts.sum(-1, keepdim=True) / size
    limit = torch.nanquantile(level.counts.masked_fill(~level.mask, torch.nan), percentile / 100, dim=-1, keepdim=True)
    dead = (level.counts <= limit) & (level.counts < DEAD_SHARE * fair) & (level.age >= cool_down) & level.mask
    usage_rank = level.counts.masked_fill(~level.mask, torch.inf).argsort(stable=True, dim=-1).argsort(dim=-1)
    dead &= usage_rank < (max_fraction * size).floor().clamp(min=1 if max_fraction > 0 else 0)
    latents = result.latents.detach()
    error = (latents - torch.bmm(result.one_hot, level.codes)).square().sum(-1)
    keys = error.clamp(min=1e-30).log() - (-noise.clamp(1e-7, 1 - 1e-7).log()).log()
    count = min(level.codes.shape[1], latents.shape[1])
    rows = keys.topk(count, dim=-1).indices
    order = (dead.cumsum(-1) - 1).clamp(min=0, max=count - 1)
    chosen = latents.gather(1, rows.gather(1, order)[..., None].expand(-1, -1, latents.shape[-1]))
    level.codes.copy_(torch.where(dead[..., None], chosen, level.codes))
    level.counts.copy_(torch.where(dead, fair, level.counts))
    level.sums.copy_(level.smoothed_counts()[..., None] * level.codes)
    level.age.copy_(torch.where(dead, 0, level.age))
    return dead.sum()
