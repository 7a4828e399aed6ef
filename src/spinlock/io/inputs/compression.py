"""Filters of a chunked dataset (compression, shuffling, checksums), and the sizes of its chunks.

A chunk is inflated to any size that its bytes encode, whatever the file declares: 6 MB of deflate can become 6 GB.
Therefore the stored size of each chunk is compared with its declared size. Large chunks are checked before HDF5
inflates them: deflate is inflated here in small pieces up to the declared size, and the sizes that the instructions of
lzf encode are added.
"""

import math
import zlib
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError

LZF = 32000
"""Number of the lzf filter of h5py."""

FILTER_NAMES = {
    h5py.h5z.FILTER_DEFLATE: "gzip",
    h5py.h5z.FILTER_SZIP: "szip",
    307: "bzip2",
    LZF: "lzf",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32026: "blosc2",
}
"""Names of compressing filters by their registered number."""

MAX_CHUNK_BYTES = 2**29
"""Maximum declared size of a chunk with a filter, which is read as a whole."""

TRUSTED_BYTES = {h5py.h5z.FILTER_DEFLATE: 2**19, LZF: 2**22}
"""Stored size up to which a chunk cannot inflate to much more than half a GB: deflate has a factor of at most 1032, and
lzf of at most 88."""

PIECE_BYTES = 2**20
"""Number of bytes to which a chunk is inflated at a time."""

CHECKSUM_BYTES = 4
"""Number of bytes that the Fletcher checksum appends to a chunk."""


@dataclass(frozen=True)
class Filters:
    """The filters of a dataset: their numbers in order, and the one that compresses, or None."""

    numbers: tuple[int, ...]
    compressor: int | None


def check_filters(dataset: Any, where: str) -> Filters:
    """Return the filters of a chunked dataset.

    Raises
    ------
    DataError
        A filter that some chunk needs is not installed, or there are two compressing filters.
    """
    settings = dataset.id.get_create_plist()
    numbers = tuple(settings.get_filter(index)[0] for index in range(settings.get_nfilters()))
    for position, number in enumerate(numbers):
        if not h5py.h5z.filter_avail(number) and _is_used(dataset, position):
            name = FILTER_NAMES.get(number, "")
            raise DataError(
                f"is compressed by the HDF5 filter {number}{f' ({name})' if name else ''}, which is not installed",
                where=where,
                remedy="install its plugin (pip install hdf5plugin) and set HDF5_PLUGIN_PATH to its folder, "
                "or repack the file elsewhere (h5repack -f GZIP=1)",
            )
    compressors = [number for number in numbers if number in FILTER_NAMES]
    if len(compressors) > 1:
        names = " and ".join(FILTER_NAMES[number] for number in compressors)
        raise DataError(
            f"is compressed twice, by {names}", where=where, expected="one compression", remedy="repack the file"
        )
    return Filters(numbers, compressors[0] if compressors else None)


def _is_used(dataset: Any, position: int) -> bool:
    """Return whether a filter was applied to some chunk; an optional filter can be left out."""
    skipped: list[bool] = []
    dataset.id.chunk_iter(lambda chunk: skipped.append(bool(chunk.filter_mask >> position & 1)))
    return not all(skipped)


class Chunks:
    """The chunks of a chunked dataset, with or without filters.

    Parameters
    ----------
    dataset
        The HDF5 dataset.
    filters
        Its filters.
    where
        File and name, for messages.
    """

    def __init__(self, dataset: Any, filters: Filters, where: str) -> None:
        self._dataset = dataset
        self._filters = filters
        self._where = where
        self._bytes: int = math.prod(dataset.chunks) * dataset.dtype.itemsize
        self._unchecked: dict[tuple[int, ...], int] = {}

    def check_sizes_and_find_written(self) -> NDArray[np.bool_] | None:
        """Check the sizes of the chunks, and return for each whether it was written, or None if all were.

        Raises
        ------
        DataError
            A chunk declares or stores too many bytes.
        """
        chunks, shape = self._dataset.chunks, self._dataset.shape
        grid = tuple(-(-size // chunk) for size, chunk in zip(shape, chunks, strict=True))
        if self._filters.numbers and self._bytes > MAX_CHUNK_BYTES:
            raise DataError(
                f"has filtered chunks of {self._bytes / 1e9:.1f} GB",
                where=self._where,
                expected=f"at most {MAX_CHUNK_BYTES / 1e9:.1f} GB",
                remedy="repack the file with smaller chunks (h5repack -l CHUNK=...)",
            )
        complete = self._dataset.id.get_num_chunks() == math.prod(grid)
        if complete and self._filters.compressor is None:
            return None
        written = np.zeros(grid, dtype=np.bool_)

        def check_chunk(chunk: Any) -> None:
            self._check_stored(chunk.chunk_offset, int(chunk.size), int(chunk.filter_mask))
            position = tuple(offset // size for offset, size in zip(chunk.chunk_offset, chunks, strict=True))
            if all(index < size for index, size in zip(position, grid, strict=True)):
                written[position] = True

        self._dataset.id.chunk_iter(check_chunk)
        return None if written.all() else written

    def check_inflated(self, start: int, stop: int) -> None:
        """Check the chunks of the rows [start, stop) that may inflate to more bytes than they declare.

        Raises
        ------
        DataError
            A chunk inflates to more bytes than it declares.
        """
        if not self._unchecked:
            return
        rows = self._dataset.chunks[0]
        for offset in [each for each in self._unchecked if each[0] < stop and each[0] + rows > start]:
            _, content = self._dataset.id.read_direct_chunk(offset)
            try:
                fits = self._fits(content)
            except (zlib.error, IndexError) as error:
                raise DataError(f"has a damaged chunk at {offset}", where=self._where) from error
            if not fits:
                raise DataError(
                    f"stores {self._unchecked[offset]} bytes in the chunk at {offset}, which inflate to more than the "
                    f"{self._bytes} bytes of a chunk",
                    where=self._where,
                    remedy="create the dataset again",
                )
            del self._unchecked[offset]

    def _fits(self, content: bytes) -> bool:
        """Return whether the stored bytes of a chunk inflate to at most its declared size."""
        if self._filters.compressor == h5py.h5z.FILTER_DEFLATE:
            return inflated_deflate(content, self._bytes) <= self._bytes
        following = self._filters.numbers[self._filters.numbers.index(LZF) :]
        checksums = CHECKSUM_BYTES * following.count(h5py.h5z.FILTER_FLETCHER32)
        return inflated_lzf(content[: len(content) - checksums], self._bytes) <= self._bytes

    def _check_stored(self, offset: tuple[int, ...], size: int, skipped_filters: int) -> None:
        """Raise an error if the stored bytes of a chunk are too many, or remember to check what they inflate to."""
        compressor = self._filters.compressor
        if compressor is None or skipped_filters >> self._filters.numbers.index(compressor) & 1:
            return
        if size > 2 * self._bytes + 4096:
            raise DataError(
                f"stores {size} bytes in the chunk at {tuple(offset)}, which declares {self._bytes}",
                where=self._where,
                remedy="create the dataset again",
            )
        if size > TRUSTED_BYTES.get(compressor, size):
            self._unchecked[tuple(offset)] = size


def inflated_deflate(content: bytes, limit: int) -> int:
    """Return the inflated size of deflate, or a number above ``limit`` as soon as it is exceeded."""
    inflater, total = zlib.decompressobj(), 0
    while content and not inflater.eof and total <= limit:
        total += len(inflater.decompress(content, PIECE_BYTES))
        content = inflater.unconsumed_tail
    return total


def inflated_lzf(content: bytes, limit: int) -> int:
    """Return the inflated size of lzf, or a number above ``limit`` as soon as it is exceeded.

    A byte below 32 is followed by one more literal bytes than its value. Any other byte begins a copy of earlier bytes,
    whose length minus 2 is in its upper 3 bits; if they are 7, the next byte is added. Another byte is the distance.
    """
    position, total, end = 0, 0, len(content)
    while position < end and total <= limit:
        first = content[position]
        if first < 32:
            total += first + 1
            position += first + 2
        elif first < 224:
            total += (first >> 5) + 2
            position += 2
        else:
            total += content[position + 1] + 9
            position += 3
    return total
