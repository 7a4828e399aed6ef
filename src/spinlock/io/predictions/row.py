"""Reading of one row of a file of ``predict-operators``; see :mod:`spinlock.io.predictions.writing`.

Letters: ``L`` levels of the intervals, ``k`` candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spinlock.errors import DataError
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.file import InputFile
from spinlock.io.predictions.datasets import check_format, prediction_dataset


@dataclass(frozen=True)
class Estimate:
    """Median of a parameter in physical units, and its L intervals as (lower end, upper end)."""

    median: float
    intervals: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Candidate:
    """One of the k most plausible operators: family, probability and {parameter: value}."""

    family: str
    probability: float
    parameters: dict[str, float]


@dataclass(frozen=True)
class PredictedRow:
    """The prediction of one row.

    Attributes
    ----------
    family
        Most probable family.
    probabilities
        {family: probability}.
    levels
        Probabilities of the L intervals.
    parameters
        {parameter of the most probable family: estimate}.
    candidates
        The most plausible operators, the most plausible one first.
    """

    family: str
    probabilities: dict[str, float]
    levels: tuple[float, ...]
    parameters: dict[str, Estimate]
    candidates: tuple[Candidate, ...]

    @classmethod
    def read(cls, path: Path, row: int) -> PredictedRow:
        """Read a row.

        Raises
        ------
        DataError
            The file cannot be read, is not a file of ``predict-operators``, or does not have the row.
        """
        with InputFile.open(path) as file, reading(file.path):
            check_format(file, path)
            stored = prediction_dataset(file, path, "predictions/family_probability")
            count = (stored.shape or (0,))[0]
            if not 0 <= row < count:
                raise DataError(f"--row is {row}", where=str(path), expected=f"0 to {count - 1}")

            def values(name: str) -> Any:
                return prediction_dataset(file, path, name).read(row)

            def names(name: str) -> list[str]:
                return [str(text) for text in prediction_dataset(file, path, name).read_text()]

            families, parameters = names("predictions/family_names"), names("predictions/names")
            estimates = zip(parameters, values("predictions/median"), values("predictions/interval"), strict=True)
            candidates = zip(
                values("candidates/family"),
                values("candidates/probability"),
                values("candidates/parameters"),
                strict=True,
            )
            return cls(
                family=str(prediction_dataset(file, path, "predictions/family").read_text(row)),
                probabilities=dict(zip(families, stored.read(row).tolist(), strict=True)),
                levels=tuple(prediction_dataset(file, path, "predictions/levels").read().tolist()),
                parameters={
                    name: Estimate(float(median), tuple((low, high) for low, high in interval.tolist()))
                    for name, median, interval in estimates
                    if np.isfinite(median)
                },
                candidates=tuple(
                    Candidate(families[index], float(probability), _present(parameters, modes.tolist()))
                    for index, probability, modes in candidates
                    if index >= 0
                ),
            )


def _present(names: list[str], values: list[float]) -> dict[str, float]:
    """Return {name: value} without the values that are NaN."""
    return {name: value for name, value in zip(names, values, strict=True) if np.isfinite(value)}
