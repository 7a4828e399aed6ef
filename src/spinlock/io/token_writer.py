"""Writing of token files; see :mod:`spinlock.io.token_layout`.

Letters: ``N`` operators, ``M`` rows of one operator, ``n`` rows of a block, ``C`` categories.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.io.row_file import AnnotationSource, Attribute, RowFile, utf8_array
from spinlock.io.token_decoder import TokenDecoder
from spinlock.io.token_layout import (
    FORMAT,
    FORMAT_VERSION,
    ROW_QUALITIES,
    SPLIT_NAMES,
    TokenColumns,
    index_dtype,
)

BLOCK_TEXTS = 65_536
"""Number of strings that are written at the same time, because a Python string needs more memory than its letters."""


class TokenWriter(RowFile):
    """A new token file, which is written block by block; a context manager.

    Parameters
    ----------
    path
        File to write.
    columns
        The 3C token columns.
    shape
        (N,) or (N, M).
    decoder
        Decoder of the tokens, or None.
    attributes
        Attributes of the file in addition to the format.
    annotations
        Open file whose annotations are copied.
    overwrite
        Whether an existing file is replaced.
    """

    def __init__(
        self,
        path: Path | str,
        columns: TokenColumns,
        shape: tuple[int, ...],
        *,
        decoder: TokenDecoder | None = None,
        attributes: Mapping[str, Attribute] | None = None,
        annotations: AnnotationSource | None = None,
        overwrite: bool = False,
    ) -> None:
        all_attributes = {"format": FORMAT, "format_version": FORMAT_VERSION, **(attributes or {})}
        super().__init__(path, shape, attributes=all_attributes, annotations=annotations, overwrite=overwrite)
        self._columns = columns
        self._decoder = decoder

    def _create_datasets(self) -> None:
        tokens = self._file.create_group("tokens")
        tokens["columns"] = utf8_array(self._columns.names)
        tokens["category"] = utf8_array(self._columns.category)
        tokens["level"] = np.asarray(self._columns.level, dtype=np.int64)
        tokens["codebook_size"] = np.asarray(self._columns.codebook_size, dtype=np.int64)
        if self._decoder is not None:
            self._decoder.write(self._file)
        self._file.create_dataset("split", self.shape[0], h5py.string_dtype())
        dtype = index_dtype(self._columns.codebook_size)
        self._create("tokens/indices", (len(self._columns),), dtype, compressed=True)
        for quality in ROW_QUALITIES:
            self._create(f"tokens/{quality}", (), np.float32)

    def write_split(self, roles: NDArray[np.int8]) -> None:
        """Write the role of each operator in the split of the model.

        Parameters
        ----------
        roles
            Indices [N] into :data:`spinlock.io.token_layout.SPLIT_NAMES`.
        """
        for start in range(0, len(roles), BLOCK_TEXTS):
            names = [SPLIT_NAMES[role] for role in roles[start : start + BLOCK_TEXTS].tolist()]
            self._file["split"][start : start + len(names)] = utf8_array(names)

    def write(
        self,
        indices: NDArray[Any],
        *,
        reconstruction_error: NDArray[Any],
        error_percentile: NDArray[Any],
        clipped_share: NDArray[Any],
        imputed_share: NDArray[Any],
    ) -> None:
        """Write the next n rows.

        Parameters
        ----------
        indices
            Code indices [n, 3C].
        reconstruction_error
            Mean squared error [n] in normalized units.
        error_percentile
            Percentile [n] of this error among the validation rows.
        clipped_share, imputed_share
            Fractions [n] of the cells of a row that were clipped or imputed; dropped columns do not count.

        Raises
        ------
        ValueError
            An index is outside its codebook, or there are more rows than ``shape`` allows.
        """
        if indices.size and ((indices < 0) | (indices >= np.asarray(self._columns.codebook_size))).any():
            raise ValueError("a token index is outside its codebook")
        qualities = (reconstruction_error, error_percentile, clipped_share, imputed_share)
        by_name = {f"tokens/{name}": values for name, values in zip(ROW_QUALITIES, qualities, strict=True)}
        self._append({"tokens/indices": indices, **by_name})
