"""Reading of token files; see :mod:`spinlock.io.token_layout`.

Letters: ``N`` operators, ``M`` rows of one operator, ``n`` rows of a block, ``C`` categories, ``K`` codes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.annotations import AnnotatedFile
from spinlock.io.hdf5 import open_hdf5, reading
from spinlock.io.rows import read_rows
from spinlock.io.token_layout import FORMAT, FORMAT_VERSION, TokenColumns


class TokenFile(AnnotatedFile):
    """An open token file, read-only; a context manager.

    Attributes
    ----------
    attributes
        Attributes of the file.
    columns
        The 3C token columns.
    shape
        (N,) or (N, M).
    """

    def __init__(self, path: Path, file: Any) -> None:
        super().__init__(path, file)
        self.attributes: dict[str, Any] = self.file_attributes()
        _check_format(self.attributes, path)
        self.columns = _columns(file, path)
        self._indices = _indices(file, len(self.columns), path)
        self.shape: tuple[int, ...] = tuple(self._indices.shape[:-1])

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open a token file and check its layout.

        Parameters
        ----------
        path
            HDF5 file.

        Returns
        -------
        TokenFile

        Raises
        ------
        DataError
            The file cannot be opened, is not a token file, or has another format version.
        """
        path = Path(path)
        file = open_hdf5(path)
        try:
            with reading(path):
                return cls(path, file)
        except BaseException:
            file.close()
            raise

    @property
    def num_rows(self) -> int:
        """Number of flattened rows, N or N * M."""
        return int(np.prod(self.shape))

    @property
    def category(self) -> tuple[str, ...]:
        """The category of each of the 3C columns."""
        return self.columns.category

    @property
    def level(self) -> tuple[int, ...]:
        """The level of each of the 3C columns."""
        return self.columns.level

    @property
    def codebook_size(self) -> tuple[int, ...]:
        """The number of codes K of each of the 3C columns."""
        return self.columns.codebook_size

    @property
    def indices(self) -> NDArray[np.int64]:
        """All tokens, int64 [N, 3C] or [N, M, 3C]; errors are those of :meth:`read`."""
        return self.read(0, self.num_rows).reshape(*self.shape, len(self.columns))

    @property
    def split(self) -> NDArray[np.str_]:
        """``train``, ``validation`` or ``new`` for each operator, [N]."""
        with reading(self.path):
            return np.asarray(self._file["split"].asstr()[()], dtype=np.str_)

    def row_quality(self, name: str) -> NDArray[np.float32]:
        """Read one of :data:`spinlock.io.token_layout.ROW_QUALITIES`, [N] or [N, M]."""
        with reading(self.path):
            return np.asarray(self._file[f"tokens/{name}"][()], dtype=np.float32)

    def read(self, start: int, stop: int) -> NDArray[np.int64]:
        """Read the tokens of the flattened rows [start, stop).

        Parameters
        ----------
        start, stop
            Range of flattened rows.

        Returns
        -------
        numpy.ndarray
            int64 [n, 3C].

        Raises
        ------
        DataError
            An index is outside its codebook; the message names its row and column.
        """
        per_operator = self.shape[1] if len(self.shape) == 2 else None
        with reading(self.path):
            stored = read_rows(self._indices, start, min(stop, self.num_rows), per_operator=per_operator)
        indices = stored.astype(np.int64)
        outside = np.argwhere((indices < 0) | (indices >= np.asarray(self.codebook_size)))
        if len(outside):
            row, column = outside[0].tolist()
            raise DataError(
                f"token {self.columns.names[column]} of row {start + row} is {indices[row, column]}",
                where=f"{self.path}:/tokens/indices",
                expected=f"0 to {self.codebook_size[column] - 1}",
            )
        return indices

    def blocks(self, size: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Iterate over consecutive blocks of ``size`` rows; the last one can be shorter.

        Yields
        ------
        start : int
            Position of the first row.
        tokens : numpy.ndarray
            int64 [n, 3C].
        """
        for start in range(0, self.num_rows, size):
            yield start, self.read(start, start + size)


def _check_format(attributes: dict[str, Any], path: Path) -> None:
    """Raise a :class:`DataError` if the attributes are not those of a token file of this format version."""
    if attributes.get("format") != FORMAT:
        raise DataError("is not a token file", where=str(path), expected="an output of encode-to-tokens")
    if attributes.get("format_version") != FORMAT_VERSION:
        raise DataError(
            f"token format version {attributes.get('format_version')}",
            where=str(path),
            expected=f"version {FORMAT_VERSION}",
            remedy="read it with the program version that wrote it, or a newer one",
        )


def _columns(file: Any, path: Path) -> TokenColumns:
    """Read the description of the token columns."""
    try:
        tokens = file["tokens"]
        columns = TokenColumns(
            category=tuple(tokens["category"].asstr()[()].tolist()),
            level=tuple(tokens["level"][()].tolist()),
            codebook_size=tuple(tokens["codebook_size"][()].tolist()),
        )
        names = tuple(tokens["columns"].asstr()[()].tolist())
    except (KeyError, TypeError, AttributeError, UnicodeError) as error:
        raise DataError("the column descriptions under /tokens are missing or damaged", where=str(path)) from error
    if not len(names) == len(columns.category) == len(columns.level) == len(columns.codebook_size) > 0:
        raise DataError("the column descriptions under /tokens differ in length", where=str(path))
    return columns


def _indices(file: Any, columns: int, path: Path) -> Any:
    """Return the dataset of the tokens, after a check of its type and shape."""
    indices = file.get("tokens/indices")
    if not isinstance(indices, h5py.Dataset) or indices.dtype.kind not in "iu":
        raise DataError("/tokens/indices contains no integers", where=str(path))
    if indices.ndim not in (2, 3) or indices.shape[-1] != columns:
        raise DataError(
            f"/tokens/indices has shape {indices.shape}",
            where=str(path),
            expected=f"[N, {columns}] or [N, M, {columns}]",
        )
    return indices
