"""The decision whether the training step is compiled, and its adaptation to another machine."""

from __future__ import annotations

import atexit
import errno
import os
import shlex
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

CACHE = "TORCHINDUCTOR_CACHE_DIR"
"""Environment variable of torch: the directory of the code that torch.compile creates and loads."""


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


def use_private_cache() -> None:
    """Let torch.compile keep its code in a directory that only this user can write to.

    By default the directory is in the directory of temporary files under a name that another user of the machine could
    take first, and could fill with code. ``TORCHINDUCTOR_CACHE_DIR`` overrides this function. The directory is
    ``spinlock/torch_compile`` in ``$XDG_CACHE_HOME``, by default ``~/.cache``. If it cannot be created or belongs to
    another user, the code is kept in a new temporary directory until the process ends.

    torch keeps precompiled headers among the temporary files whatever the variable says. Without them compiling takes
    twice as long, so that they are moved to the same directory instead of switched off.
    """
    if CACHE not in os.environ:
        os.environ[CACHE] = str(_private_directory())
    try:
        from torch._inductor import codecache  # takes a second, and torch.compile needs it anyway
    except ImportError:  # torch.compile fails as well, and the run goes on without it
        return
    headers = Path(os.environ[CACHE]).absolute() / "precompiled_headers"
    for name, directory in (("_HEADER_DIR", headers), ("_HEADER_LOCK_DIR", headers / "locks")):
        if hasattr(codecache, name):
            setattr(codecache, name, str(directory))


def _private_directory() -> Path:
    """Return the directory of :func:`use_private_cache`, and create it."""
    try:
        directory = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "spinlock/torch_compile"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.lstat()
        if not S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or not os.access(directory, os.W_OK):
            raise PermissionError(errno.EACCES, "not a directory of this user")
        directory.chmod(0o700)
    except (OSError, RuntimeError):
        directory = Path(tempfile.mkdtemp(prefix="spinlock-"))  # mkdtemp creates it with mode 700
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


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
