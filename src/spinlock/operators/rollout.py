"""Rollouts: T frames u_{t+1} = step(u_t) of M realizations of B operators, and short probing runs beside them.

A run that stops being finite, or exceeds the bound, is marked and holds its last good frame; the others go on. A start
that is itself beyond the bound is cut off there, and counts as a failure of the first step.

Letters: ``B`` operators, ``M`` realizations, ``T`` frames, ``C`` channels, ``H`` x ``W`` points, ``S`` probe steps.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Step = Callable[[Tensor, int], Tensor]
"""Fields [B, M, C, H, W] and the number of the step, which chooses the noise, to the fields one step later."""

PROBE_STEPS = 8
EPSILONS = (1e-3, 1e-2, 1e-1)
"""Sizes of the perturbations, over the root mean square of the first frame."""
SCALES = (0.5, 2.0)


@dataclass(frozen=True)
class Rollout:
    """``frames`` [B, M, T, C, H, W] and ``blow_up`` [B, M] int32: the step that failed, 1 the first; 0 for none."""

    frames: Tensor
    blow_up: Tensor


@dataclass(frozen=True)
class ProbeRuns:
    """``base`` [B, M, S + 1, C, H, W], ``perturbed`` [B, M, E, S + 1, ...] and ``scaled`` [B, M, G, S + 1, ...]."""

    base: Tensor
    perturbed: Tensor
    scaled: Tensor


def roll_out(step: Step, start: Tensor, steps: int, *, warmup: int, bound: float) -> Rollout:
    """T = ``steps`` frames after ``warmup`` steps from ``start`` [B, M, C, H, W].

    The first frame is ``start`` itself when there is no warm-up.
    """
    run = _Guarded(step, start, bound)
    for index in range(warmup):
        run.advance(index)
    frames = start.new_empty((*start.shape[:2], steps, *start.shape[2:]))
    for frame in range(steps):
        if frame:
            run.advance(warmup + frame - 1)
        frames[:, :, frame] = run.fields
    return Rollout(frames, run.blow_up)


def probe(step: Step, frames: Tensor, direction: Tensor, *, warmup: int, bound: float) -> ProbeRuns:
    """S steps from the first frame u0, from u0 + epsilon rms(u0) xi for each epsilon, and from scale u0 for each scale.

    ``frames`` [B, M, T, C, H, W] are the rollout's, whose noise the probes share; ``direction`` (xi, of unit root mean
    square) is [B, M, C, H, W].
    """
    first = frames[:, :, 0]
    size = first.square().mean((-3, -2, -1), keepdim=True).sqrt().clamp_min(1e-6)
    perturbed = [first + epsilon * size * direction for epsilon in EPSILONS]
    scaled = [scale * first for scale in SCALES]

    def run(start: Tensor) -> Tensor:
        later = roll_out(
            lambda fields, index: step(fields, warmup + index), start, PROBE_STEPS + 1, warmup=0, bound=bound
        )
        return later.frames

    base = frames[:, :, : PROBE_STEPS + 1] if frames.shape[2] > PROBE_STEPS else run(first)
    return ProbeRuns(
        base, torch.stack([run(start) for start in perturbed], 2), torch.stack([run(s) for s in scaled], 2)
    )


class _Guarded:
    """Fields that advance while they are finite and within the bound; a failed run stands still."""

    def __init__(self, step: Step, start: Tensor, bound: float) -> None:
        self._step = step
        self._bound = bound
        self.fields = start.nan_to_num(0.0).clamp(-bound, bound)
        self.blow_up = (~self._within(start)).to(torch.int32)
        self._taken = 0

    def advance(self, index: int) -> None:
        self._taken += 1
        after = self._step(self.fields, index)
        failed_now = ~self._within(after) & (self.blow_up == 0)
        self.blow_up = torch.where(failed_now, self._taken, self.blow_up)
        alive = (self.blow_up == 0)[..., None, None, None]
        self.fields = torch.where(alive, after, self.fields)

    def _within(self, fields: Tensor) -> Tensor:
        return fields.abs().amax((-3, -2, -1)) <= self._bound  # false for NaN too
