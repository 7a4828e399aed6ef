"""Whether to compile the training step: decided from configuration and shapes, never from clocks.

torch.compile costs about a minute. On a CPU most of a step is matrix products, and fusing the rest saves a tenth
(``benchmarks/speed.py``: 11 to 16 % on two cores); it pays for runs of ten minutes and more. On a CUDA device a step of
this size is as long as launching its kernels takes, of which fusing leaves about half: an estimate, not measured.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass

import torch

from spinlock.model import LEVELS, ModelSpec

COMPILE_SECONDS = 60.0
SAVED_SHARE = 0.1
"""Share of a step's time that compiling saves on a CPU."""

NOMINAL_RATE = 7e10
"""Floating-point operations per second that a step is taken to reach on a CPU."""

LAUNCHES, LAUNCHES_OF_A_BUCKET = 180, 225
"""Operations of a step that are no views (counted), beside those of each bucket of categories."""

LAUNCH_SECONDS = 6e-6
FUSED_SHARE = 0.5
"""What telling a CUDA device of an operation takes, and the share of the operations that compiling does away with."""


@dataclass(frozen=True)
class CompilePlan:
    """Whether to compile, and why."""

    compile: bool
    reason: str


EAGER_BY_CHOICE = CompilePlan(False, "eager: use_torch_compile is false")
EAGER_TOGETHER = CompilePlan(False, "eager: processes that work together are not compiled")


def step_operations(spec: ModelSpec, batch: int) -> float:
    """Floating-point operations of one training step (forward, and twice that backward) on B rows."""
    hidden, decoder = spec.hidden_dim, spec.decoder_dim
    total = decoder * spec.num_columns
    for members in spec.buckets:
        count, width = len(spec.groups[members]), len(spec.groups[members.start])
        embedding = spec.embedding_width(members)
        total += count * embedding * (spec.num_columns + decoder)
        total += count * (width * (embedding + hidden) + hidden * embedding + LEVELS * embedding * width)
        for level in range(LEVELS):
            latent = max(dims[level] for dims in spec.latent_dims[members])
            codes = max(sizes[level] for sizes in spec.num_codes[members])
            total += count * latent * (embedding + codes)
    return 6.0 * batch * total


def saved_seconds(spec: ModelSpec, *, batch: int, device: torch.device) -> float:
    """What compiling is expected to save of one step of B rows."""
    if device.type == "cpu":
        return SAVED_SHARE * step_operations(spec, batch) / NOMINAL_RATE
    count = len(spec.buckets)
    return FUSED_SHARE * LAUNCH_SECONDS * (LAUNCHES + LAUNCHES_OF_A_BUCKET * count)


def plan_compilation(
    spec: ModelSpec, *, batch: int, steps: int, device: torch.device, wanted: bool, processes: int = 1
) -> CompilePlan:
    """Compile when the expected saving over all steps exceeds what compiling costs, and a compiler is there."""
    if not wanted:
        return EAGER_BY_CHOICE
    if processes > 1:
        return EAGER_TOGETHER
    if spec.assignment == "joint":
        return CompilePlan(False, "eager: with joint assignment only a small decoder is trained")
    saved = steps * saved_seconds(spec, batch=batch, device=device)
    if saved < COMPILE_SECONDS:
        return CompilePlan(
            False,
            f"eager: compiling would save about {saved:.0f} s of {steps} steps and cost {COMPILE_SECONDS:.0f} s",
        )
    if not compiler_available():
        return CompilePlan(False, "eager: torch.compile would pay but no C++ compiler was found (install g++)")
    return CompilePlan(True, f"torch.compile: expected to save about {saved:.0f} s over {steps} steps")


def usable(plan: CompilePlan, *, wanted: bool, processes: int = 1) -> CompilePlan:
    """A stored plan on this machine, which may have no compiler, for a user who may not want it any more."""
    if not wanted:
        return EAGER_BY_CHOICE
    if processes > 1:
        return EAGER_TOGETHER
    if plan == EAGER_TOGETHER:
        return CompilePlan(False, "eager: the run began with several processes, which are not compiled")
    if plan == EAGER_BY_CHOICE:
        return CompilePlan(False, "eager, as the run was started")
    if plan.compile and not compiler_available():
        return CompilePlan(False, "eager: the run was compiled, but no C++ compiler was found here (install g++)")
    return plan


def compiler_available() -> bool:
    """Whether the compiler is there that torch.compile calls: $CXX, by default clang++ on macOS and g++ elsewhere."""
    command = shlex.split(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++"))
    return bool(command) and shutil.which(command[0]) is not None
