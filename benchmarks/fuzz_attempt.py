"""Run a command in a forked process, and classify how it ended: a result, a refusal, or a fault."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

MAX_SECONDS = 60
MAX_BYTES = 2_000_000_000
"""Duration and resident memory that no attempt may exceed."""

ADDRESS_SPACE = 24_000_000_000
"""Limit of virtual memory, which protects the machine."""

STOPPED = 130
"""Exit code of a training that ``--max-time`` stopped."""

OUTCOMES = ("result", "refused", "defect", "over 2 GB", "over 60 s")


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes
    ----------
    kind
        One of :data:`OUTCOMES`. A refusal has exit code 1 and one error, and writes nothing; all else is a defect.
    text
        The end of what was printed.
    seconds, peak
        Duration, and maximum resident memory in bytes.
    """

    kind: str
    text: str
    seconds: float
    peak: int


def run_command(arguments: list[str], folder: Path, outputs: frozenset[str] = frozenset()) -> Outcome:
    """Run ``spinlock`` in a folder.

    The process is forked, because importing torch would take most of the time. ``fuzz.py`` uses one thread, so that
    the fork is safe.

    Parameters
    ----------
    arguments
        Arguments of the command line.
    folder
        Working directory, whose files have to be unchanged afterward.
    outputs
        Names that a successful command may create in the folder.
    """
    before = _snapshot(folder)
    log = folder.parent / f"{folder.name}.log"
    started = time.perf_counter()
    process = os.fork()
    if process == 0:
        _run_in_child(arguments, folder, log)
    status, peak = _wait(process, started)
    seconds = time.perf_counter() - started
    text = log.read_bytes().decode("utf-8", "replace")
    kind = _classify(status, text)
    created = {name.partition("/")[0] for name in _snapshot(folder).items() ^ before.items() for name in name[:1]}
    if created - (outputs if kind == "result" else frozenset()):
        kind, text = "defect", f"files were left or changed: {sorted(created)}; {text}"
    if peak > MAX_BYTES or "out of memory" in text:
        kind = "over 2 GB"
    if seconds > MAX_SECONDS:
        kind = "over 60 s"
    return Outcome(kind, text[-400:], seconds, peak)


def _classify(status: int, text: str) -> str:
    if not os.WIFEXITED(status):
        return "defect"
    errors = [line for line in text.splitlines() if line.startswith("error: ")]
    if os.WEXITSTATUS(status) == 0:
        return "defect" if "Traceback" in text else "result"
    if os.WEXITSTATUS(status) == STOPPED and "the time limit" in text:
        return "result"
    refused = os.WEXITSTATUS(status) == 1 and len(errors) == 1 and len(text) < 20_000
    return "refused" if refused and "internal error" not in text and "Traceback" not in text else "defect"


def _run_in_child(arguments: list[str], folder: Path, log: Path) -> None:
    from spinlock.cli.main import run

    code = 70
    try:
        os.chdir(folder)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", errors="backslashreplace")  # as Python's own
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        sys.argv = ["spinlock", *arguments]
        run()
        code = 0
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException as error:
        print(f"Traceback: {type(error).__name__}: {error}", file=sys.stderr)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _wait(process: int, started: float) -> tuple[int, int]:
    """Return the status and the peak memory of a process, which is killed when its time is over."""
    while True:
        ended, status, usage = os.wait4(process, os.WNOHANG)
        if ended:
            return status, usage.ru_maxrss * 1024
        if time.perf_counter() - started > MAX_SECONDS:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.005)


def _snapshot(folder: Path) -> dict[str, tuple[int, int] | None]:
    """{path: size and time of change} of every file in a folder, None for directories."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) if path.is_file() else None
        for path in folder.rglob("*")
    }


def import_everything() -> None:
    """Import all modules that the commands use, and keep them out of garbage collection, so that forks are fast."""
    import spinlock.cli.views.checkpoint
    import spinlock.discovery
    import spinlock.scoring.evaluate
    import spinlock.tokenizer  # noqa: F401

    gc.freeze()
