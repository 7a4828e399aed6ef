"""Token files: what ``encode-to-tokens`` writes and ``decode-tokens`` reads.

/tokens/indices [N, 3C] or [N, M, 3C] holds for each row the code that each codebook chose, columns in the
order cat0.L0, cat0.L1, cat0.L2, cat1.L0, ...; beside it stands for each row how far to trust them.

Letters: ``N`` operators, ``M`` rows of one operator, ``n`` rows of a block, ``C`` categories, ``K`` codes of
a codebook.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.annotations import AnnotatedFile
from spinlock.io.hdf5 import open_hdf5, reading
from spinlock.io.row_file import Annotated, Attribute, RowFile, text
from spinlock.io.rows import read_rows
from spinlock.io.token_columns import TokenColumns, index_dtype

FORMAT = "spinlock-tokens"
FORMAT_VERSION = 1
ROW_QUALITIES = ("reconstruction_error", "error_percentile", "clipped_share", "imputed_share")
SIDES = ("new", "train", "validation")
"""What an operator was to the model: not in its table, trained on, or held out to choose the best epoch."""

TEXTS_AT_ONCE = 65_536


class TokenWriter(RowFile):
    """A new token file for rows of ``shape`` (N,) or (N, M), filled block by block; a context manager."""

    def __init__(
        self,
        path: Path | str,
        columns: TokenColumns,
        shape: tuple[int, ...],
        *,
        attributes: Mapping[str, Attribute] | None = None,
        annotations: Annotated | None = None,
        overwrite: bool = False,
    ) -> None:
        marks: dict[str, Attribute] = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            **(attributes or {}),
        }
        super().__init__(path, shape, attributes=marks, annotations=annotations, overwrite=overwrite)
        self._columns = columns

    def _lay_out(self) -> None:
        tokens = self._file.create_group("tokens")
        tokens["columns"] = text(self._columns.names)
        tokens["category"] = text(self._columns.category)
        tokens["level"] = np.asarray(self._columns.level, dtype=np.int64)
        tokens["codebook_size"] = np.asarray(self._columns.codebook_size, dtype=np.int64)
        self._file.create_dataset("split", self.shape[0], h5py.string_dtype())
        dtype = index_dtype(self._columns.codebook_size)
        self._create("tokens/indices", (len(self._columns),), dtype, compressed=True)
        for quality in ROW_QUALITIES:
            self._create(f"tokens/{quality}", (), np.float32)

    def write_split(self, sides: NDArray[np.int8]) -> None:
        """Which side of the model's split each operator [N] was on, as a position in :data:`SIDES`.

        Text of any length takes far more memory than its letters, so it is written a part at a time.
        """
        for start in range(0, len(sides), TEXTS_AT_ONCE):
            part = sides[start : start + TEXTS_AT_ONCE]
            self._file["split"][start : start + len(part)] = text([SIDES[side] for side in part.tolist()])

    def write(
        self,
        indices: NDArray[Any],
        *,
        reconstruction_error: NDArray[Any],
        error_percentile: NDArray[Any],
        clipped_share: NDArray[Any],
        imputed_share: NDArray[Any],
    ) -> None:
        """The next n rows: ``indices`` [n, 3C] and four values [n].

        Raises:
            ValueError: an index is outside its codebook, or the blocks do not fit the file.
        """
        if indices.size and ((indices < 0) | (indices >= np.asarray(self._columns.codebook_size))).any():
            raise ValueError("a token index is outside its codebook")
        qualities = (reconstruction_error, error_percentile, clipped_share, imputed_share)
        named = {f"tokens/{name}": values for name, values in zip(ROW_QUALITIES, qualities, strict=True)}
        self._append({"tokens/indices": indices, **named})


class TokenFile(AnnotatedFile):
    """An open token file, read-only; a context manager. ``shape`` is (N,) or (N, M)."""

    def __init__(self, path: Path, file: Any) -> None:
        super().__init__(path, file)
        self.attributes: dict[str, Any] = _attributes(file, path)
        self.columns = _columns(file, path)
        self._indices = _indices(file, len(self.columns), path)
        self.shape: tuple[int, ...] = tuple(self._indices.shape[:-1])

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open and check the layout.

        Raises:
            DataError: the file cannot be opened, is no token file, or is of a newer format.
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
        """N, or N * M."""
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
        """K of each of the 3C columns."""
        return self.columns.codebook_size

    @property
    def indices(self) -> NDArray[np.int64]:
        """All tokens, int64 [N, 3C] or [N, M, 3C], checked."""
        return self.read(0, self.num_rows).reshape(*self.shape, len(self.columns))

    @property
    def split(self) -> NDArray[np.str_]:
        """``train``, ``validation`` or ``new`` of each operator, [N]."""
        with reading(self.path):
            return np.asarray(self._file["split"].asstr()[()], dtype=np.str_)

    def row_quality(self, name: str) -> NDArray[np.float32]:
        """One of :data:`ROW_QUALITIES`, [N] or [N, M]."""
        with reading(self.path):
            return np.asarray(self._file[f"tokens/{name}"][()], dtype=np.float32)

    def read(self, start: int, stop: int) -> NDArray[np.int64]:
        """Tokens of the flattened rows [start, stop), int64 [n, 3C].

        Raises:
            DataError: an index is outside its codebook; names the first one.
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
        """(start, tokens [n, 3C]) for consecutive blocks of ``size`` rows."""
        for start in range(0, self.num_rows, size):
            yield start, self.read(start, start + size)


def _attributes(file: Any, path: Path) -> dict[str, Any]:
    found = {name: value.item() if hasattr(value, "item") else value for name, value in file.attrs.items()}
    if found.get("format") != FORMAT:
        raise DataError("is not a token file", where=str(path), expected="an output of encode-to-tokens")
    if found.get("format_version") != FORMAT_VERSION:
        raise DataError(
            f"token format version {found.get('format_version')}",
            where=str(path),
            expected=f"version {FORMAT_VERSION}",
            remedy="read it with the program version that wrote it, or a newer one",
        )
    return found


def _columns(file: Any, path: Path) -> TokenColumns:
    try:
        tokens = file["tokens"]
        columns = TokenColumns(
            category=tuple(tokens["category"].asstr()[()].tolist()),
            level=tuple(tokens["level"][()].tolist()),
            codebook_size=tuple(tokens["codebook_size"][()].tolist()),
        )
        names = tuple(tokens["columns"].asstr()[()].tolist())
    except (KeyError, TypeError, AttributeError, UnicodeError) as error:
        raise DataError("the lists beside /tokens/indices are missing or damaged", where=str(path)) from error
    if not len(names) == len(columns.category) == len(columns.level) == len(columns.codebook_size) > 0:
        raise DataError("the lists beside /tokens/indices differ in length", where=str(path))
    return columns


def _indices(file: Any, columns: int, path: Path) -> Any:
    indices = file.get("tokens/indices")
    if not isinstance(indices, h5py.Dataset) or indices.dtype.kind not in "iu":
        raise DataError("/tokens/indices holds no integers", where=str(path))
    if indices.ndim not in (2, 3) or indices.shape[-1] != columns:
        raise DataError(
            f"/tokens/indices has shape {indices.shape}",
            where=str(path),
            expected=f"[N, {columns}] or [N, M, {columns}]",
        )
    return indices
