"""Decoded features in the dataset layout, so that whatever reads a dataset reads them too.

Letters: ``N`` operators, ``M`` rows of one operator, ``n`` rows of a block, ``D`` columns.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinlock.io.names import KEY
from spinlock.io.row_file import Annotated, Attribute, RowFile, text


class FeatureWriter(RowFile):
    """A new /features/<family>/<feature_type>/features for rows of ``shape`` (N,) or (N, M).

    A context manager: the file is filled block by block and appears at ``path`` once all rows are written.
    """

    def __init__(
        self,
        path: Path | str,
        names: Sequence[str],
        shape: tuple[int, ...],
        *,
        family: str = "sdf",
        feature_type: str = "aggregated",
        attributes: Mapping[str, Attribute] | None = None,
        annotations: Annotated | None = None,
        overwrite: bool = False,
    ) -> None:
        super().__init__(path, shape, attributes=attributes, annotations=annotations, overwrite=overwrite)
        self._names = tuple(names)
        self._group = f"features/{family}/{feature_type}"

    def _lay_out(self) -> None:
        self._file.create_group(self._group)[KEY] = text(self._names)
        self._create(f"{self._group}/features", (len(self._names),), np.float32, compressed=True)

    def write(self, values: NDArray[np.float32]) -> None:
        """The next n rows, [n, D] in raw units.

        Raises:
            ValueError: the block does not fit the file.
        """
        self._append({f"{self._group}/features": values})
