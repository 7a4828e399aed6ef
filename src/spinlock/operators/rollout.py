"""Rollouts: T frames u_{t+1} = step(u_t) of M realizations of B operators, and short probe runs.

A run diverges when |u| is not finite or exceeds the bound. It is then marked and repeats its last valid frame; the
other runs continue. An initial state beyond the bound is clipped, and the run counts as diverged in the first step.

Letters: ``B`` operators, ``M`` realizations, ``T`` frames, ``C`` channels, ``H`` x ``W`` points, ``S`` probe steps,
``E`` perturbations, ``G`` scales.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Step = Callable[[Tensor, int], Tensor]
"""Function of fields [B, M, C, H, W] and the index of the frame, which returns the fields one frame later.

The index determines the noise of neural operators and the number of integrator substeps with which a PDE begins.
"""

PROBE_STEPS = 8
"""Number of steps of a probe run, S."""

EPSILONS = (1e-3, 1e-2, 1e-1)
"""Root mean squares of the perturbations relative to that of the first frame."""

SCALES = (0.5, 2.0)
"""Factors of the first frame in the probe runs that measure linearity."""


@dataclass(frozen=True)
class Rollout:
    """Frames of all runs.

    Attributes
    ----------
    frames
        [B, M, T, C, H, W].
    blow_up
        Step in which a run diverged, counted from 1, or 0, [B, M] int32.
    """

    frames: Tensor
    blow_up: Tensor


@dataclass(frozen=True)
class ProbeRuns:
    """Probe runs.

    Attributes
    ----------
    base
        Runs from the first frame, [B, M, S + 1, C, H, W].
    perturbed
        Runs from the perturbed first frame, [B, M, E, S + 1, C, H, W].
    scaled
        Runs from the scaled first frame, [B, M, G, S + 1, C, H, W].
    """

    base: Tensor
    perturbed: Tensor
    scaled: Tensor


def roll_out(step: Step, start: Tensor, steps: int, *, warmup: int, bound: float) -> Rollout:
    """Compute T frames of all operators.

    Parameters
    ----------
    step
        Map of the fields to those one step later.
    start
        Initial states [B, M, C, H, W].
    steps
        Number of frames, T.
    warmup
        Number of steps before the first frame. If it is 0, the first frame is ``start``.
    bound
        Maximum |u|.

    Returns
    -------
    Rollout
    """
    run = _BoundedRun(step, start, bound)
    for index in range(warmup):
        run.advance(index)
    frames = start.new_empty((*start.shape[:2], steps, *start.shape[2:]))
    for frame in range(steps):
        if frame:
            run.advance(warmup + frame - 1)
        frames[:, :, frame] = run.fields
    return Rollout(frames, run.blow_up)


def probe(step: Step, frames: Tensor, direction: Tensor, *, warmup: int, bound: float) -> ProbeRuns:
    """Run S steps from u0, from u0 + epsilon rms(u0) xi for each epsilon, and from scale * u0 for each scale.

    Parameters
    ----------
    step
        Map of the fields to those one step later.
    frames
        Frames of the rollout, [B, M, T, C, H, W]; u0 is the first frame. The probes use the noise of
        the rollout, and begin each frame with its number of substeps.
    direction
        Perturbation xi with root mean square 1, [B, M, C, H, W].
    warmup
        Number of steps before the first frame of the rollout.
    bound
        Maximum |u|.

    Returns
    -------
    ProbeRuns
    """
    first = frames[:, :, 0]
    size = first.square().mean((-3, -2, -1), keepdim=True).sqrt().clamp_min(1e-6)
    perturbed = [first + epsilon * size * direction for epsilon in EPSILONS]
    scaled = [scale * first for scale in SCALES]

    def run(start: Tensor) -> Tensor:
        return roll_out(
            lambda fields, index: step(fields, warmup + index), start, PROBE_STEPS + 1, warmup=0, bound=bound
        ).frames

    base = frames[:, :, : PROBE_STEPS + 1] if frames.shape[2] > PROBE_STEPS else run(first)
    return ProbeRuns(
        base, torch.stack([run(start) for start in perturbed], 2), torch.stack([run(s) for s in scaled], 2)
    )


class _BoundedRun:
    """Runs that advance while they are finite and within the bound; a diverged run keeps its last valid frame."""

    def __init__(self, step: Step, start: Tensor, bound: float) -> None:
        self._step = step
        self._bound = bound
        self.fields = start.nan_to_num(0.0).clamp(-bound, bound)
        self.blow_up = (~self._within(start)).to(torch.int32)
        self._num_steps = 0

    def advance(self, index: int) -> None:
        """Take the step with the index ``index``."""
        self._num_steps += 1
        is_valid = (self.blow_up == 0)[..., None, None, None]
        advanced = self._step(torch.where(is_valid, self.fields, 0.0), index)
        diverges = ~self._within(advanced) & (self.blow_up == 0)
        self.blow_up = torch.where(diverges, self._num_steps, self.blow_up)
        is_valid = (self.blow_up == 0)[..., None, None, None]
        self.fields = torch.where(is_valid, advanced, self.fields)

    def _within(self, fields: Tensor) -> Tensor:
        """Return whether each run is within the bound, [B, M]; it is false for NaN."""
        return fields.abs().amax((-3, -2, -1)) <= self._bound
