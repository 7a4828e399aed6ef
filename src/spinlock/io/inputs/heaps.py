"""Global heaps of a file, in which HDF5 stores text of variable length.

HDF5 reads a heap object by object and does not return if an object of free space has the size 0, which some damaged
files contain. Such a file is refused before it is read.
"""

import mmap
import struct
from pathlib import Path

from spinlock.errors import DataError

SIGNATURE = b"GCOL\x01\0\0\0"
"""First bytes of a global heap: its name, and version 1."""

MAX_FILE_BYTES = 2**23
"""Maximum size of a file that is searched; in a larger file the search would take noticeable time."""

HEADER = struct.Struct("<HHIQ")
"""Header of an object: its number, 0 for free space; its references; padding; and its size."""


def check_heaps(path: Path) -> None:
    """Check the global heaps of a file.

    Raises
    ------
    DataError
        A heap contains free space of size 0.
    """
    size = path.stat().st_size
    if not 0 < size <= MAX_FILE_BYTES:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(SIGNATURE)
        while start >= 0:
            if start % 8 == 0 and start + 16 <= size:
                end = start + int.from_bytes(content[start + 8 : start + 16], "little")
                _check_objects(content, start + 16, min(end, size), path)
            start = content.find(SIGNATURE, start + 8)


def _check_objects(content: mmap.mmap, position: int, end: int, path: Path) -> None:
    """Raise a :class:`DataError` if an object between two positions is free space of size 0."""
    while position + HEADER.size <= end:
        number, _, _, size = HEADER.unpack_from(content, position)
        if number == 0 and size == 0:
            raise DataError(
                f"is damaged: the heap of variable-length text contains free space of size 0 at byte {position}",
                where=str(path),
                remedy="copy it again, or create it again",
            )
        position += size if number == 0 else HEADER.size + -(-size // 8) * 8
