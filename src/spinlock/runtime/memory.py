"""Release of freed heap memory to the operating system."""

import ctypes
import os


def trim_heap() -> None:
    """Release freed memory to the operating system.

    Otherwise glibc keeps the memory in fragments, which are too small for larger arrays.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)
