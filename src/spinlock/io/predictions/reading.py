"""Reading of the file of ``predict-operators``; see :mod:`spinlock.io.predictions.writing`.

Letters: ``N`` rows, ``P`` parameters, ``k`` candidates.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.io.annotations import label_names, read_label
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.file import InputFile
from spinlock.io.operator_parameters import parameters_of
from spinlock.io.predictions.datasets import check_format, prediction_dataset


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class PredictedOperators:
    """The most plausible operator of each row of a prediction file.

    Attributes
    ----------
    path
        The file.
    family
        Names [N] of the families.
    values
        {parameter: physical values [N]}, NaN for parameters of other families.
    annotated
        {parameter: physical values [N]} of the original operators, if the file contains them.
    condition
        Names [N] of the initial conditions of the original operators, or None if the file does not contain them.
    sha256
        Hash of all values, which identifies them.
    """

    path: Path
    family: NDArray[np.str_]
    values: dict[str, NDArray[np.float64]]
    annotated: dict[str, NDArray[np.float64]]
    condition: NDArray[np.str_] | None
    sha256: str

    @classmethod
    def read(cls, path: Path) -> PredictedOperators:
        """Read a file.

        Raises
        ------
        DataError
            The file cannot be read or is not a file of ``predict-operators``.
        """
        with InputFile.open(path) as file, reading(file.path):
            check_format(file, path)
            families, names = (_text(file, path, f"predictions/{name}") for name in ("family_names", "names"))
            family = families[_numbers(file, path, "candidates/family")[:, 0].astype(int)]
            parameters = _numbers(file, path, "candidates/parameters")[:, 0].astype(np.float64)
            annotated = parameters_of(file, len(family))
            condition = None
            if "initial_condition" in label_names(file, len(family)):
                condition = read_label(file, "initial_condition", len(family), where=str(path)).astype(str)
        values = dict(zip(names.tolist(), parameters.T, strict=True))
        digest = hashlib.sha256("\n".join([*family.tolist(), *(condition if condition is not None else ())]).encode())
        for name, column in (*values.items(), *annotated.items()):
            digest.update(name.encode() + np.ascontiguousarray(column).tobytes())
        return cls(path, family, values, annotated, condition, digest.hexdigest())


def _numbers(file: InputFile, path: Path, name: str) -> NDArray[Any]:
    """Read numbers."""
    values: NDArray[Any] = prediction_dataset(file, path, name).read()
    return values


def _text(file: InputFile, path: Path, name: str) -> NDArray[np.str_]:
    """Read text."""
    return np.asarray(prediction_dataset(file, path, name).read_text(), dtype=np.str_)
