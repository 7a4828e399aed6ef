"""Freed heap memory: release it to the operating system, or keep it. Both have an effect with glibc only."""

import ctypes
import os

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Parameters of mallopt(3)."""

MAX_HEAP_ARRAY = 2**25
"""Size in bytes of the largest arrays whose memory is kept; it is the limit of glibc for ``M_MMAP_THRESHOLD``."""

HEAP_GROWTH = 2**26
"""Number of bytes by which the heap grows at least."""


def trim_heap() -> None:
    """Release freed memory to the operating system.

    Otherwise glibc keeps the memory in fragments, which are too small for larger arrays.
    """
    trim = getattr(_libc(), "malloc_trim", None)
    if trim is not None:
        trim(0)


def keep_freed_memory() -> None:
    """Keep freed memory in this process for its next arrays, until the process ends.

    By default glibc returns the memory of large arrays to the operating system, which clears each page before it is
    used again. This takes time in computations with many arrays of a few megabytes. The function is meant for worker
    processes, because it changes the whole process.
    """
    set_option = getattr(_libc(), "mallopt", None)
    if set_option is not None:
        set_option(M_MMAP_THRESHOLD, MAX_HEAP_ARRAY)
        set_option(M_TRIM_THRESHOLD, 2**31 - 1)
        set_option(M_TOP_PAD, HEAP_GROWTH)


def _libc() -> ctypes.CDLL | None:
    """Return the functions that are loaded in this process, or None if the system is not POSIX."""
    return ctypes.CDLL(None) if os.name == "posix" else None
