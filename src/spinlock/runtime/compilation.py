"""The decision whether the training step is compiled, and its adaptation to another machine."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class CompilePlan:
    """Decision whether to compile the training step, and the reason for it in one line."""

    compile: bool
    reason: str


EAGER_BY_CHOICE = CompilePlan(False, "eager: use_torch_compile is false")
EAGER_IN_GROUP = CompilePlan(False, "eager: a run of several processes is not compiled")


def compiler_available() -> bool:
    """Return whether the C++ compiler of torch.compile exists: $CXX, by default clang++ on macOS and g++ elsewhere."""
    command = shlex.split(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++"))
    return bool(command) and shutil.which(command[0]) is not None


def adapt_to_machine(plan: CompilePlan, *, enabled: bool, processes: int = 1) -> CompilePlan:
    """Adapt the plan that is stored in a checkpoint to the resumed run.

    Parameters
    ----------
    plan
        Plan of the run when it was started.
    enabled
        Current value of ``use_torch_compile``.
    processes
        Number of processes of the resumed run.

    Returns
    -------
    CompilePlan
        The stored plan, or an eager plan if this run cannot or must not be compiled. A run that was started eagerly
        stays eager.
    """
    if not enabled:
        return EAGER_BY_CHOICE
    if processes > 1:
        return EAGER_IN_GROUP
    if plan == EAGER_IN_GROUP:
        return CompilePlan(False, "eager: the run was started with several processes and is not compiled")
    if plan == EAGER_BY_CHOICE:
        return CompilePlan(False, "eager: the run was started with use_torch_compile: false")
    if plan.compile and not compiler_available():
        return CompilePlan(False, "eager: the run was compiled, but no C++ compiler was found here (install g++)")
    return plan
