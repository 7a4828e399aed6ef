"""Reading of token files; see :mod:`spinlock.io.token_layout`.

Letters: ``N`` operators, ``M`` rows of one operator, ``n`` rows of a block, ``C`` categories, ``K`` codes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.annotations import AnnotatedFile
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.dataset import InputDataset
from spinlock.io.inputs.file import InputFile
from spinlock.io.names import join_names
from spinlock.io.rows import read_rows
from spinlock.io.token_layout import FORMAT, FORMAT_VERSION, ROW_QUALITIES, TokenColumns

MAX_TOKEN_COLUMNS = 2**16
"""Maximum number of token columns."""

MAX_CODES = 2**31
"""Maximum size of a codebook."""


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

    def __init__(self, file: InputFile) -> None:
        super().__init__(file)
        self.attributes: dict[str, Any] = self.file_attributes()
        _check_format(self.attributes, file.path)
        self.columns = _columns(file)
        self._indices = _indices(file, len(self.columns))
        self.shape: tuple[int, ...] = (self._indices.shape or ())[:-1]
        self._split = file.dataset("split")
        if not self._split.is_text or self._split.shape != self.shape[:1]:
            raise _wrong(self._split, f"a text for each of {self.shape[0]} operators")
        self._qualities = {name: file.dataset(f"tokens/{name}") for name in ROW_QUALITIES}
        for values in self._qualities.values():
            if values.dtype.kind != "f" or values.shape != self.shape:
                raise _wrong(values, f"real numbers of shape {self.shape}")

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
            The file cannot be opened, is not a token file, has another format version, or its parts differ in length.
        """
        file = InputFile.open(path)
        try:
            with reading(file.path):
                return cls(file)
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
            return self._split.read_text()

    def row_quality(self, name: str) -> NDArray[np.float32]:
        """Read one of :data:`spinlock.io.token_layout.ROW_QUALITIES`, [N] or [N, M]."""
        with reading(self.path):
            return self._qualities[name][:].astype(np.float32)

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
            An index is outside its codebook, and the message names its row and column, or it counts as missing.
        """
        per_operator = self.shape[1] if len(self.shape) == 2 else None
        with reading(self.path):
            stored = read_rows(self._indices, start, min(stop, self.num_rows), per_operator=per_operator)
        if stored.dtype.kind == "f":  # NaN marks the missing cells of integers
            raise DataError(
                f"{int(np.isnan(stored).sum())} tokens equal its attribute _FillValue or missing_value",
                where=self._indices.where,
                remedy="remove this attribute, or encode the dataset again",
            )
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


def _columns(file: InputFile) -> TokenColumns:
    """Read the description of the token columns."""
    columns = TokenColumns(
        category=_texts(file, "category"),
        level=_integers(file, "level"),
        codebook_size=_integers(file, "codebook_size"),
    )
    names, where = _texts(file, "columns"), f"{file.path}:/tokens"
    if not len(names) == len(columns.category) == len(columns.level) == len(columns.codebook_size) > 0:
        raise DataError("the column descriptions under /tokens differ in length, or are empty", where=where)
    if names != columns.names:
        raise DataError(
            f"columns {join_names(names)}",
            where=where,
            expected=f"{join_names(columns.names)}, as category and level state",
        )
    if not all(1 <= size <= MAX_CODES for size in columns.codebook_size):
        raise DataError(
            f"the codebook sizes are {join_names([str(size) for size in columns.codebook_size])}",
            where=where,
            expected=f"1 to {MAX_CODES}",
        )
    return columns


def _texts(file: InputFile, name: str) -> tuple[str, ...]:
    """Read a list of texts under /tokens."""
    values = file.dataset(f"tokens/{name}")
    if not values.is_text or values.shape is None or len(values.shape) != 1 or values.shape[0] > MAX_TOKEN_COLUMNS:
        raise _wrong(values, "a list of text")
    return tuple(values.read_text().tolist())


def _integers(file: InputFile, name: str) -> tuple[int, ...]:
    """Read a list of integers under /tokens."""
    values = file.dataset(f"tokens/{name}")
    if (
        values.dtype.kind not in "iu"
        or values.shape is None
        or len(values.shape) != 1
        or values.shape[0] > MAX_TOKEN_COLUMNS
    ):
        raise _wrong(values, "a list of integers")
    return tuple(values.read().tolist())


def _wrong(values: InputDataset, expected: str) -> DataError:
    """Return the error for a dataset of a wrong type or shape."""
    kind = "text" if values.is_text else str(values.dtype)
    return DataError(f"contains {kind} of shape {values.shape}", where=values.where, expected=expected)


def _indices(file: InputFile, columns: int) -> InputDataset:
    """Return the dataset of the tokens, after a check of its type and shape."""
    indices = file.dataset("tokens/indices")
    shape = indices.shape or ()
    if indices.dtype.kind not in "iu" or len(shape) not in (2, 3) or shape[-1] != columns:
        raise _wrong(indices, f"integers of shape [N, {columns}] or [N, M, {columns}]")
    if 0 in shape:
        raise DataError(f"shape {shape} has no rows", where=indices.where)
    if indices.unwritten_cells is not None:
        raise DataError(
            f"{indices.unwritten_cells.count} tokens were never written",
            where=indices.where,
            remedy="encode the dataset again",
        )
    return indices
