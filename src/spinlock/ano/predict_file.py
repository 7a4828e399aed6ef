"""Prediction of the operators of a token file, block by block; see :mod:`spinlock.io.predictions.writing`.

Letters: ``N`` rows, ``F`` families.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.ano.calibration.conformal import LEVELS
from spinlock.ano.data.operators import TokenRows
from spinlock.ano.prediction import Prediction
from spinlock.ano.predictor import block_rows
from spinlock.arguments import checked_integer
from spinlock.config.data import MAX_SEED
from spinlock.errors import DataError
from spinlock.io.annotations import read_operator_label
from spinlock.io.names import join_names
from spinlock.io.predictions.datasets import MAX_CANDIDATES
from spinlock.io.predictions.writing import PredictionColumns, PredictionWriter
from spinlock.io.tokens import TokenFile
from spinlock.runtime.isolation import isolated

if TYPE_CHECKING:
    from spinlock.ano.model import ANO


@dataclass(frozen=True)
class PredictionOptions:
    """Numbers of candidates and of samples of each row, and the seed of the samples."""

    candidates: int = 5
    samples: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check that the values are integers in their ranges."""
        checked_integer("candidates", self.candidates, minimum=1, maximum=MAX_CANDIDATES)
        checked_integer("samples", self.samples, minimum=0)
        checked_integer("seed", self.seed, minimum=0, maximum=MAX_SEED)


@dataclass(frozen=True)
class PredictionSummary:
    """What was predicted.

    Attributes
    ----------
    rows
        Number of rows N.
    families
        {family: number of rows for which it is the most probable one}.
    confidence
        Mean probability of the most probable family.
    accuracy
        Fraction of the rows whose label is this family, or None if the file has no label.
    seconds
        Duration.
    """

    rows: int
    families: dict[str, int]
    confidence: float
    accuracy: float | None
    seconds: float


def predict_file(
    ano: ANO,
    tokens: Path,
    output: Path,
    options: PredictionOptions,
    *,
    overwrite: bool = False,
    advance: Callable[[int], None] = lambda rows: None,
) -> PredictionSummary:
    """Predict the operators of a token file, and write the predictions.

    Raises
    ------
    DataError
        The tokens are of another tokenizer, or /labels has families that the model does not know.
    OutputError
        The output exists or cannot be written.
    """
    started = time.perf_counter()
    source = ano.checkpoint.source
    rows = TokenRows.read(tokens)
    rows.check_model(source.columns, source.model_sha256)
    labels = _labels(ano, tokens, len(rows.tokens))
    columns = PredictionColumns(ano.families, ano.parameter_names, LEVELS, options.candidates, options.samples)
    attributes: dict[str, str | int | float] = {
        "tokenizer_sha256": rows.model_sha256,
        "ano_sha256": ano.checkpoint.sha256(),
        "samples_seed": options.seed,
    }
    names: list[str] = []
    confidence = 0.0
    with (
        TokenFile.open(tokens) as annotations,
        PredictionWriter(
            output, columns, len(rows.tokens), attributes=attributes, annotations=annotations, overwrite=overwrite
        ) as writer,
    ):
        generator = torch.Generator().manual_seed(options.seed)
        size = block_rows(options.samples)
        for start in range(0, len(rows.tokens), size):
            block = rows.tokens[start : start + size]
            prediction = ano.predict(block, candidates=options.candidates)
            tables = _tables(prediction)
            if options.samples:
                with isolated():
                    drawn = ano.predictor.sample(torch.from_numpy(block), options.samples, generator)
                tables |= {"samples/family": drawn.family, "samples/parameters": drawn.parameters}
            writer.write(prediction.family_names, tables)
            names += prediction.family_names
            confidence += float(prediction.family_probability.max(axis=1).sum())
            advance(len(block))
    found, counts = np.unique(names, return_counts=True)
    return PredictionSummary(
        rows=len(names),
        families=dict(zip(found.tolist(), counts.tolist(), strict=True)),
        confidence=confidence / len(names),
        accuracy=None if labels is None else float((labels == np.array(names)).mean()),
        seconds=time.perf_counter() - started,
    )


def _tables(prediction: Prediction) -> dict[str, NDArray[Any]]:
    """Return {dataset: values} of a block."""
    return {
        "predictions/family_probability": prediction.family_probability,
        "predictions/median": prediction.median,
        "predictions/interval": prediction.interval,
        "candidates/family": prediction.candidates.family,
        "candidates/probability": prediction.candidates.probability,
        "candidates/parameters": prediction.candidates.parameters,
    }


def _labels(ano: ANO, tokens: Path, rows: int) -> NDArray[np.str_] | None:
    """Return the families in the file, or None if it has none; raise an error if the model does not know one."""
    name = ano.checkpoint.config.family_label
    try:
        labels = read_operator_label(tokens, name, rows).astype(str)
    except DataError:
        return None
    unknown = sorted(set(labels.tolist()) - set(ano.families))
    if unknown:
        raise DataError(
            f"{np.isin(labels, unknown).sum()} operators have the family {join_names(unknown)}",
            where=f"{tokens}:/labels/{name}",
            expected=f"families of the model: {join_names(ano.families, 8)}",
            remedy="train a model on tokens of these families, or predict the other operators only",
        )
    return labels
