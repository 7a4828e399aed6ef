"""Descriptions of the processes that hold locks, which are the content of the lock files."""

import json
import os
import shlex
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

MAX_DESCRIPTION = 4096
"""Maximum number of bytes that are read from the description of a holder."""

MAX_COMMAND = 160
"""Maximum number of characters of a command in an error message."""


def describe(descriptor: int, outputs: Sequence[str]) -> None:
    """Write the description of this process. On a full disk the lock is held without a description."""
    program = Path(sys.argv[0] or "python")
    command = shlex.join([program.parent.name if program.stem == "__main__" else program.name, *sys.argv[1:]])
    content = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": command[:MAX_COMMAND],
        "outputs": [*outputs],
    }
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(content).encode(), 0)


def description_of(path: Path) -> str:
    """Return the description of the process that holds the lock ``path``, in one line."""
    try:
        stored = stored_description(path)
        pid, host, command = int(stored["pid"]), str(stored["host"]), str(stored["command"])
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
    place = "" if host == socket.gethostname() else f" on {_printable(host)}"
    return f"process {pid}{place} ({_printable(command)})"


def stored_description(path: Path) -> dict[str, Any]:
    """Return the content of a lock file.

    Raises
    ------
    OSError, ValueError
        The file cannot be read, or does not describe a process.
    """
    with path.open("rb") as file:
        stored = json.loads(file.read(MAX_DESCRIPTION))
    if not isinstance(stored, dict):
        raise ValueError("the lock file does not describe a process")
    return stored


def _printable(text: str) -> str:
    """Return the beginning of a text of a file, without control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:MAX_COMMAND])
