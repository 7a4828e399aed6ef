"""Memory of the process."""

import ctypes
import os


def trim_heap() -> None:
    """Return freed memory to the operating system; glibc would keep it in pieces that no larger array fits into."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)
