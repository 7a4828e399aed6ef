"""Datasets of operators, written: the three feature tables, what is known of each operator, and raw fields if kept.

Letters: ``N`` operators, ``M`` realizations, ``T`` frames, ``D`` columns of a table, ``n`` operators of a block.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.io.names import KEY
from spinlock.io.row_file import CHUNK_BYTES, Annotated, Attribute, RowFile, text

FAMILY = "sdf"
FIELDS = "outputs/fields"


class OperatorFile(RowFile):
    """A new dataset file of N operators, filled by consecutive blocks of operators; a context manager.

    ``tables`` gives for each feature type its column names and the shape of one operator's part without the columns:
    () for aggregated, (M,) for per_trajectory, (T,) for per_timestep.
    """

    def __init__(
        self,
        path: Path | str,
        operators: int,
        tables: Mapping[str, tuple[Sequence[str], tuple[int, ...]]],
        *,
        attributes: Mapping[str, Attribute] | None = None,
        annotations: Annotated | None = None,
        overwrite: bool = False,
    ) -> None:
        super().__init__(path, (operators,), attributes=attributes, annotations=annotations, overwrite=overwrite)
        self._tables = dict(tables)

    def _lay_out(self) -> None:
        for feature_type, (names, inner) in self._tables.items():
            group = f"features/{FAMILY}/{feature_type}"
            self._file.create_group(group)[KEY] = text(names)
            self._create(f"{group}/features", (*inner, len(names)), np.float32, compressed=True)

    def write(self, values: Mapping[str, NDArray[np.float32]]) -> None:
        """The next n operators of every table: {feature type: [n, ...]}.

        Raises:
            ValueError: the blocks do not fit the file or one another.
        """
        self._append({f"features/{FAMILY}/{feature_type}/features": block for feature_type, block in values.items()})

    def put(self, name: str, values: Any, **attributes: Attribute) -> None:
        """A small dataset beside the features, such as ``labels/family`` [N]; strings become UTF-8 text."""
        array = np.asarray(values)
        self._file[name] = text(array.tolist()) if array.dtype.kind == "U" else array
        for key, value in attributes.items():
            self._file[name].attrs[key] = value

    def keep_fields(self, shape: tuple[int, ...]) -> None:
        """Make room for raw fields /outputs/fields of ``shape`` [N, M, T, C, H, W], NaN where nothing is written."""
        frame_bytes = 4 * int(np.prod(shape[3:]))
        frames = max(1, min(shape[2], CHUNK_BYTES * 4 // frame_bytes))
        self._file.create_dataset(
            FIELDS,
            shape=shape,
            dtype=np.float32,
            chunks=(1, 1, frames, *shape[3:]),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
            fillvalue=np.nan,
        )

    def write_fields(self, operator: int, fields: NDArray[np.float32]) -> None:
        """The runs of one operator, [M, T, c, H, W]; a file of more channels keeps NaN in the others."""
        self._file[FIELDS][operator, :, :, : fields.shape[2]] = fields
