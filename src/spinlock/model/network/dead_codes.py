"""Replacement of codes that are hardly used by latents that are quantized badly.

A code is dead if its usage n is at or below a percentile of its codebook, below a tenth of the even usage sum n / K,
and it was not replaced in the last 1 / (1 - decay) steps. A healthy codebook has no dead code. The replacements are
latents of the batch, drawn without repetition in proportion to their squared error (Gumbel top-k). The replacement
follows the moving average of the same step and sets codes, counts and sums together, S = n~ e; otherwise the next
update of the moving average would undo it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spinlock.model.network.quantizer import LevelResult, QuantizerLevel

DEAD_FRACTION = 0.1
"""A code whose usage is below this fraction of an even usage may be dead."""


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
    """Replace the dead codes of one level.

    Nothing synchronizes with the device, since decisions are made by ``torch.where``.

    Parameters
    ----------
    level
        Level of the quantizer.
    result
        Result of the level for the batch.
    percentile
        Percentile of the usage of a codebook, in [0, 100], up to which a code may be dead.
    max_fraction
        Maximum fraction of a codebook that is replaced at once, the least used codes first; it allows at least one
        code unless it is 0.
    cool_down
        Number of steps after a replacement in which a code is not replaced again.
    noise
        Uniform random numbers in (0, 1) [C, B].

    Returns
    -------
    Tensor
        Number of replaced codes, a scalar.
    """
    size = level.mask.sum(-1, keepdim=True)
    even_usage = level.counts.sum(-1, keepdim=True) / size
    limit = torch.nanquantile(level.counts.masked_fill(~level.mask, torch.nan), percentile / 100, dim=-1, keepdim=True)
    unused = (level.counts <= limit) & (level.counts < DEAD_FRACTION * even_usage)
    dead = unused & (level.age >= cool_down) & level.mask
    usage_rank = level.counts.masked_fill(~level.mask, torch.inf).argsort(stable=True, dim=-1).argsort(dim=-1)
    dead &= usage_rank < (max_fraction * size).floor().clamp(min=1 if max_fraction > 0 else 0)
    latents = result.latents.detach()
    error = (latents - torch.bmm(result.one_hot, level.codes)).square().sum(-1)
    keys = error.clamp(min=1e-30).log() - (-noise.clamp(1e-7, 1 - 1e-7).log()).log()
    count = min(level.codes.shape[1], latents.shape[1])
    rows = keys.topk(count, dim=-1).indices
    order = (dead.cumsum(-1) - 1).clamp(min=0, max=count - 1)
    replacements = latents.gather(1, rows.gather(1, order)[..., None].expand(-1, -1, latents.shape[-1]))
    level.codes.copy_(torch.where(dead[..., None], replacements, level.codes))
    level.counts.copy_(torch.where(dead, even_usage, level.counts))
    level.sums.copy_(level.smoothed_counts()[..., None] * level.codes)
    level.age.copy_(torch.where(dead, 0, level.age))
    return dead.sum()
