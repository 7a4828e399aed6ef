"""Writing of the file of ``predict-operators``.

======================================= =============== =====================================================
dataset                                 shape           content
======================================= =============== =====================================================
/predictions/family                     [N] text        most probable family
/predictions/family_names               [F] text        families of the model
/predictions/family_probability         [N, F]          their probabilities
/predictions/names                      [P] text        parameters of the model
/predictions/median                     [N, P]          medians, given the most probable family
/predictions/levels                     [L]             probabilities of the intervals
/predictions/interval                   [N, P, L, 2]    lower and upper ends, given the most probable family
/candidates/family                      [N, k]          index into family_names; -1 where there are fewer than k
/candidates/probability                 [N, k]          probabilities of the k most plausible operators
/candidates/parameters                  [N, k, P]       their parameters: the modes of the densities
/samples/family                         [N, S]          index into family_names, only with samples
/samples/parameters                     [N, S, P]       operators drawn from the posterior, only with samples
/parameters, /labels, /metadata                         copied from the token file
======================================= =============== =====================================================

All values are in physical units. A parameter that the family does not have is NaN.

Letters: ``N`` rows, ``n`` rows of a block, ``F`` families, ``P`` parameters, ``L`` levels, ``k`` candidates, ``S``
samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.io.row_file import AnnotationSource, Attribute, RowFile, utf8_array

FORMAT = "spinlock-predictions"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class PredictionColumns:
    """Names of the F families and P parameters, the L levels, and the numbers k of candidates and S of samples."""

    families: tuple[str, ...]
    parameters: tuple[str, ...]
    levels: tuple[float, ...]
    candidates: int
    samples: int


class PredictionWriter(RowFile):
    """A new file of predictions, which is written block by block; a context manager.

    Parameters
    ----------
    path
        File to write.
    columns
        Names and sizes.
    rows
        Number of rows N.
    attributes
        Attributes of the file in addition to the format.
    annotations
        Open token file whose annotations are copied.
    overwrite
        Whether an existing file is replaced.
    """

    def __init__(
        self,
        path: Path | str,
        columns: PredictionColumns,
        rows: int,
        *,
        attributes: Mapping[str, Attribute],
        annotations: AnnotationSource | None = None,
        overwrite: bool = False,
    ) -> None:
        all_attributes = {"format": FORMAT, "format_version": FORMAT_VERSION, **attributes}
        super().__init__(path, (rows,), attributes=all_attributes, annotations=annotations, overwrite=overwrite)
        self._columns = columns

    def _create_datasets(self) -> None:
        columns = self._columns
        self._file["predictions/family_names"] = utf8_array(columns.families)
        self._file["predictions/names"] = utf8_array(columns.parameters)
        self._file["predictions/levels"] = np.asarray(columns.levels)
        self._file.create_dataset("predictions/family", self.shape, utf8_array([]).dtype)
        parameters = len(columns.parameters)
        self._create("predictions/family_probability", (len(columns.families),), np.float32, compressed=True)
        self._create("predictions/median", (parameters,), np.float64, compressed=True)
        self._create("predictions/interval", (parameters, len(columns.levels), 2), np.float64, compressed=True)
        self._create("candidates/family", (columns.candidates,), np.int32, compressed=True)
        self._create("candidates/probability", (columns.candidates,), np.float32, compressed=True)
        self._create("candidates/parameters", (columns.candidates, parameters), np.float64, compressed=True)
        if columns.samples:
            self._create("samples/family", (columns.samples,), np.int32, compressed=True)
            self._create("samples/parameters", (columns.samples, parameters), np.float64, compressed=True)

    def write(self, family: Sequence[str], tables: Mapping[str, NDArray[Any]]) -> None:
        """Write the next n rows.

        Parameters
        ----------
        family
            Names [n] of the most probable families.
        tables
            {dataset: values [n, ...]} of all other datasets with one entry for each row.

        Raises
        ------
        ValueError
            There are more rows than N, or the tables differ in n.
        """
        self._file["predictions/family"][self.rows_written : self.rows_written + len(family)] = utf8_array(family)
        self._append(tables)
