"""Decision whether torch.compile is expected to make a run faster.

The decision depends only on the configuration and the shapes, not on measured times. Compiling takes about a minute. On
a CPU a step consists mostly of matrix products, and fusing the other operations saves a tenth of its time
(``benchmarks/speed.py``: 11 to 16 % on two cores), so that compiling is worthwhile for runs of at least ten minutes. On
a CUDA device the time of a step of this size is that of its kernel launches, and fusing removes about half of them.
The estimate for CUDA was not measured.
"""

from __future__ import annotations

import torch

from spinlock.model import LEVELS, ModelSpec
from spinlock.runtime.compilation import EAGER_BY_CHOICE, EAGER_IN_GROUP, CompilePlan, compiler_available
from spinlock.sizing.assignment import assignment_of

COMPILE_SECONDS = 60.0
"""Assumed time of compiling."""

FUSION_SAVING = 0.1
"""Fraction of the time of a step that compiling saves on a CPU."""

NOMINAL_RATE = 7e10
"""Floating-point operations per second that a step is assumed to reach on a CPU."""

LAUNCHES, LAUNCHES_PER_BUCKET = 180, 225
"""Number of kernel launches of a step: a constant, and a number for each bucket of categories."""

LAUNCH_SECONDS = 6e-6
FUSED_FRACTION = 0.5
"""Time of one kernel launch in seconds, and the fraction of the launches that compiling removes."""


def step_operations(spec: ModelSpec, batch: int) -> float:
    """Return the floating-point operations of a training step on ``batch`` rows, forward and backward."""
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


def seconds_saved(spec: ModelSpec, *, batch: int, device: torch.device) -> float:
    """Return the seconds that compiling is expected to save in each step on ``batch`` rows."""
    if device.type == "cpu":
        return FUSION_SAVING * step_operations(spec, batch) / NOMINAL_RATE
    launches = LAUNCHES + LAUNCHES_PER_BUCKET * len(spec.buckets)
    return FUSED_FRACTION * LAUNCH_SECONDS * launches


def plan_compilation(
    spec: ModelSpec, *, batch: int, steps: int, device: torch.device, enabled: bool, processes: int = 1
) -> CompilePlan:
    """Decide to compile if the expected saving in all steps exceeds the time of compiling and a compiler exists.

    Parameters
    ----------
    spec
        Specification of the network.
    batch, steps
        Number of rows of a batch, and number of steps of the run.
    device
        Device of the run.
    enabled
        Value of ``use_torch_compile``.
    processes
        Number of processes of the run. A run of several processes is not compiled.

    Returns
    -------
    CompilePlan
    """
    if not enabled:
        return EAGER_BY_CHOICE
    if processes > 1:
        return EAGER_IN_GROUP
    if not assignment_of(spec.assignment).trains_network:
        return CompilePlan(False, "eager: with joint assignment only a small decoder is trained")
    saved = steps * seconds_saved(spec, batch=batch, device=device)
    if saved < COMPILE_SECONDS:
        return CompilePlan(
            False,
            f"eager: compiling would save about {saved:.0f} s of {steps} steps and cost {COMPILE_SECONDS:.0f} s",
        )
    if not compiler_available():
        return CompilePlan(False, "eager: torch.compile would save time, but no C++ compiler was found (install g++)")
    return CompilePlan(True, f"torch.compile: expected to save about {saved:.0f} s over {steps} steps")
