"""Writing of datasets of operators: feature tables, annotations of each operator, and optionally the raw fields.

Letters: ``N`` operators, ``n`` operators of a block, ``M`` realizations, ``T`` frames, ``C`` channels, ``H`` x ``W``
points, ``D`` columns of a table.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.io.names import FEATURE_NAMES
from spinlock.io.row_file import CHUNK_BYTES, AnnotationSource, Attribute, RowFile, utf8_array

FAMILY = "sdf"
"""Feature family of generated datasets."""

FIELDS = "outputs/fields"
"""Dataset of raw fields."""


class OperatorFile(RowFile):
    """A new dataset file of N operators, which is written in consecutive blocks of operators; a context manager.

    Parameters
    ----------
    path
        File to write.
    operators
        Number of operators N.
    tables
        For each feature type the names [D] of its columns and the shape of one operator's rows: () for ``aggregated``,
        (M,) for ``per_trajectory``, (T,) for ``per_timestep``.
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
        operators: int,
        tables: Mapping[str, tuple[Sequence[str], tuple[int, ...]]],
        *,
        attributes: Mapping[str, Attribute] | None = None,
        annotations: AnnotationSource | None = None,
        overwrite: bool = False,
    ) -> None:
        super().__init__(path, (operators,), attributes=attributes, annotations=annotations, overwrite=overwrite)
        self._tables = dict(tables)

    def _create_datasets(self) -> None:
        for feature_type, (names, inner) in self._tables.items():
            group = f"features/{FAMILY}/{feature_type}"
            self._file.create_group(group)[FEATURE_NAMES] = utf8_array(names)
            self._create(f"{group}/features", (*inner, len(names)), np.float32, compressed=True)

    def write(self, values: Mapping[str, NDArray[np.float32]]) -> None:
        """Write the next n operators of every table.

        Parameters
        ----------
        values
            Features [n, ...] by feature type.

        Raises
        ------
        ValueError
            The tables differ in n, or there are more than N operators.
        """
        self._append({f"features/{FAMILY}/{feature_type}/features": block for feature_type, block in values.items()})

    def write_dataset(self, name: str, values: Any, **attributes: Attribute) -> None:
        """Write a small dataset, such as ``labels/family`` [N].

        Parameters
        ----------
        name
            Path of the dataset in the file.
        values
            Numbers or strings; strings are stored as UTF-8 text.
        **attributes
            Attributes of the dataset.
        """
        array = np.asarray(values)
        self._file[name] = utf8_array(array.tolist()) if array.dtype.kind == "U" else array
        for key, value in attributes.items():
            self._file[name].attrs[key] = value

    def create_frames(self, name: str, shape: tuple[int, ...]) -> None:
        """Create a dataset of frames of ``shape`` (..., T, C, H, W); values that are never written are NaN."""
        *outer, num_frames, channels, height, width = shape
        frames = max(1, min(num_frames, CHUNK_BYTES // (channels * height * width)))
        self._file.create_dataset(
            name,
            shape=shape,
            dtype=np.float32,
            chunks=(*(1 for _ in outer), frames, channels, height, width),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
            fillvalue=np.nan,
        )

    def write_frames(self, name: str, position: int, frames: NDArray[np.float32]) -> None:
        """Write the frames [..., c, H, W] at a position of the first axis; channels beyond c stay NaN."""
        self._file[name][(position, ..., slice(frames.shape[-3]), slice(None), slice(None))] = frames
