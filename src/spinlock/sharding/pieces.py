"""The layout of the file of a shard: pieces in order, each a group of arrays.

Piece k is the HDF5 group ``/pieces/<k>``. What the arrays mean is known to the command that wrote them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.io.hdf5 import open_hdf5, reading, writing_hdf5

Piece = Mapping[str, NDArray[Any]]
"""{name: array}."""

SAMPLE_BYTES, SAMPLES = 2**16, 64
"""Size and number of the parts of a large input that :func:`fingerprint` reads."""


def write_pieces(path: Path, pieces: Iterable[Piece]) -> None:
    """Write the file of a shard; an existing file is replaced when the new one is complete.

    Raises
    ------
    OutputError
        Another process writes the file, or it cannot be written.
    """
    with writing_hdf5(path, overwrite=True) as file:
        group = file.create_group("pieces")
        for number, piece in enumerate(pieces):
            target = group.create_group(f"{number:08d}")
            for name, values in piece.items():
                target[name] = values


class PieceReader:
    """The pieces of an open file of a shard, which are read on demand; see :func:`open_pieces`."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path = path
        with reading(path):
            self._groups = [file["pieces"][name] for name in sorted(file["pieces"])]

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        for number in range(len(self)):
            yield self.read(number)

    def read(self, number: int, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
        """Return a piece, or those of its arrays that have one of the ``names``."""
        with reading(self._path):
            group = self._groups[number]
            wanted = list(group) if names is None else [name for name in names if name in group]
            return {name: np.asarray(group[name][()]) for name in wanted}


@contextmanager
def open_pieces(path: Path) -> Iterator[PieceReader]:
    """Open the file of a shard in a ``with`` block.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    with open_hdf5(path) as file:
        yield PieceReader(path, file)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(path: Path) -> str:
    """Return a hash of the size of an input and of 64 evenly spaced parts of 64 kB; of all bytes up to 4 MB.

    Each shard computes it, so it must not read the whole input.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= SAMPLES * SAMPLE_BYTES:
            digest.update(file.read())
        else:
            for number in range(SAMPLES):
                file.seek((size - SAMPLE_BYTES) * number // (SAMPLES - 1))
                digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()
