"""Whether the training step is compiled, and whether this machine can compile."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class CompilePlan:
    """Whether to compile the training step, and the reason in one line."""

    compile: bool
    reason: str


EAGER_BY_CHOICE = CompilePlan(False, "eager: use_torch_compile is false")
EAGER_IN_GROUP = CompilePlan(False, "eager: a run of several processes is not compiled")


def compiler_available() -> bool:
    """Whether the C++ compiler exists that torch.compile calls: $CXX, by default clang++ on macOS and g++ elsewhere."""
    command = shlex.split(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++"))
    return bool(command) and shutil.which(command[0]) is not None


def adapt_to_machine(plan: CompilePlan, *, enabled: bool, processes: int = 1) -> CompilePlan:
    """The plan of a stored run on this machine.

    Parameters
    ----------
    plan
        The plan with which the run began.
    enabled
        The current value of ``use_torch_compile``.
    processes
        Number of processes of the resumed run.
    """
    if not enabled:
        return EAGER_BY_CHOICE
    if processes > 1:
        return EAGER_IN_GROUP
    if plan == EAGER_IN_GROUP:
        return CompilePlan(False, "eager: the run began with several processes, which are not compiled")
    if plan == EAGER_BY_CHOICE:
        return CompilePlan(False, "eager: the run was started with use_torch_compile: false")
    if plan.compile and not compiler_available():
        return CompilePlan(False, "eager: the run was compiled, but no C++ compiler was found here (install g++)")
    return plan
