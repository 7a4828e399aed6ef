"""Writing of a feature table in the layout of a dataset.

Letters: ``N`` operators, ``M`` rows of one operator, ``n`` rows of a block, ``D`` columns.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spinlock.io.arrays.row_precision import RawRows
from spinlock.io.names import FEATURE_NAMES
from spinlock.io.row_file import AnnotationSource, Attribute, RowFile, utf8_array


class FeatureWriter(RowFile):
    """A new file with the table /features/<family>/<feature_type>/features, which is written block by block.

    It is a context manager; the file appears at its path when all rows are written. The features have the type
    ``dtype``, float32 unless it is set before the file is opened.

    Parameters
    ----------
    path
        File to write.
    names
        Names [D] of the columns.
    shape
        (N,) or (N, M).
    family, feature_type
        The table is /features/<family>/<feature_type>/features.
    attributes
        Attributes of the file.
    annotations
        Open file whose annotations are copied.
    overwrite
        Whether an existing file is replaced.
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
        annotations: AnnotationSource | None = None,
        overwrite: bool = False,
    ) -> None:
        super().__init__(path, shape, attributes=attributes, annotations=annotations, overwrite=overwrite)
        self._names = tuple(names)
        self.dtype: np.dtype[Any] = np.dtype(np.float32)
        self._group = f"features/{family}/{feature_type}"

    def _create_datasets(self) -> None:
        self._file.create_group(self._group)[FEATURE_NAMES] = utf8_array(self._names)
        self._create(f"{self._group}/features", (len(self._names),), self.dtype, compressed=True)

    def write(self, values: RawRows) -> None:
        """Write the next n rows.

        Parameters
        ----------
        values
            Features [n, D] in raw units.

        Raises
        ------
        ValueError
            There are more rows than ``shape`` allows.
        """
        self._append({f"{self._group}/features": values})
