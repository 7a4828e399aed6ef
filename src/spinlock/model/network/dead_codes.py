"""Reset of dead codes: rarely used codes are replaced by latents that have a large quantization error.

A code is dead if all three conditions hold: its usage n is at or below a percentile of its codebook, n is below a tenth
of the mean usage sum n / K, and the code was not reset in the last 1 / (1 - decay) steps. If all codes are used about
equally, none is dead. The replacements are latents of the batch, drawn without replacement with probability
proportional to their squared error (Gumbel top-k). The reset follows the moving-average update of the same step. It
sets codes e, counts and sums consistently, S = n~ e; otherwise the next update would undo it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spinlock.model.network.quantizer import LevelResult, QuantizerLevel

DEAD_FRACTION = 0.1
"""Only a code whose usage is below this fraction of the mean usage can be dead."""


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

    All conditions are evaluated by ``torch.where``, so that the host does not wait for the device.

    Parameters
    ----------
    level
        Level of the quantizer.
    result
        Result of the level for the batch.
    percentile
        Percentile in [0, 100] of the usage of a codebook; only a code at or below it can be dead.
    max_fraction
        Maximum fraction of a codebook that is reset in one step, the least used codes first. At least one code may be
        reset, unless the fraction is 0.
    cool_down
        Number of steps after a reset in which a code is not reset again.
    noise
        Uniform random numbers in (0, 1) [C, B].

    Returns
    -------
    Tensor
        Number of codes that were reset, a scalar.
    """
    size = level.mask.sum(-1, keepdim=True)
    mean_usage = level.counts.sum(-1, keepdim=True) / size
    limit = torch.nanquantile(level.counts.masked_fill(~level.mask, torch.nan), percentile / 100, dim=-1, keepdim=True)
    unused = (level.counts <= limit) & (level.counts < DEAD_FRACTION * mean_usage)
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
    level.counts.copy_(torch.where(dead, mean_usage, level.counts))
    level.sums.copy_(level.smoothed_counts()[..., None] * level.codes)
    level.age.copy_(torch.where(dead, 0, level.age))
    return dead.sum()
