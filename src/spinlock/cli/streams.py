"""The standard streams of the process, which can be closed, full, or unable to encode a character."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TextIO


def prepare_streams() -> None:
    """Make stdin, stdout and stderr usable.

    A closed stream becomes the null device. Otherwise the next file that is opened would have its descriptor, and
    output of a library would be written into that file. Characters that the encoding of stdout or stderr lacks are
    escaped.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free descriptor, which is this one
    sys.stdout = sys.stdout or null_stream()
    sys.stderr = sys.stderr or null_stream()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def null_stream() -> TextIO:
    """Return a stream that discards what is written to it."""
    return Path(os.devnull).open("w")


def flush_results() -> None:
    """Write what stdout still buffers; if that fails, discard it, so that Python does not print an error at exit.

    Raises
    ------
    OSError
        Stdout cannot be written to.
    """
    try:
        sys.stdout.flush()
    except OSError:
        discard_results()
        raise


def discard_results() -> None:
    """Replace stdout by the null device."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # stdout has no descriptor
        sys.stdout = null_stream()
