"""The operators on which a model is evaluated.

Letters: ``N`` operators of the token file, ``n`` measured operators, ``P`` parameters of all families together.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinlock.ano.data.operators import OperatorTokens
from spinlock.ano.data.source import Source
from spinlock.ano.data.space import ParameterSpace
from spinlock.ano.model import ANO
from spinlock.errors import DataError
from spinlock.io.names import join_names

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

TOLERANCE = 1e-4
"""Largest difference of a physical value and that of its coordinate, relative to the range of the parameter."""


@dataclass(frozen=True, eq=False)
class EvaluatedOperators:
    """Operators with known families and parameters.

    Attributes
    ----------
    tokens
        Code indices [N, T] of all operators of the file.
    family
        Index [N] of the family, in the order of the model.
    real
        z [N, P] of the parameters of the model; NaN for absent parameters. Coordinates of options are drawn.
    unit
        Coordinates [N, P] as in the file: those of options are the centers of their cells.
    unseen
        Whether the tokenizer was not fitted on each operator, [N].
    measured
        Indices [n] of the measured operators.
    same_tokens
        Whether the model was trained on this file.
    """

    tokens: NDArray[np.int64]
    family: Indices
    real: Floats
    unit: Floats
    unseen: NDArray[np.bool_]
    measured: Indices
    same_tokens: bool


def read_operators(ano: ANO, path: Path, rng: np.random.Generator) -> EvaluatedOperators:
    """Read a token file, and select the operators to measure.

    These are the operators on which nothing of the model was fitted or chosen. If the model was trained on the file,
    they are the test operators of its split.

    Parameters
    ----------
    ano
        The model.
    path
        Token file with families and parameters.
    rng
        Draws the coordinates of options.

    Raises
    ------
    DataError
        The file lacks families or parameters, has tokens of another tokenizer, a family that the model does not know,
        parameters with other ranges, or no operator on which nothing was fitted.
    """
    checkpoint = ano.checkpoint
    data = OperatorTokens.read(checkpoint.config.model_copy(update={"tokens_path": path}))
    data.rows.check_model(checkpoint.source.columns, checkpoint.source.model_sha256)
    space = checkpoint.space
    family = _family_indices(data, space, path)
    unit = _unit(data, space, path)
    source = Source.of(data)
    real = np.stack([scale.to_real(unit[:, j], rng) for j, scale in enumerate(space.scales)], axis=1)
    measured = checkpoint.source.independent(source, checkpoint.split, path)
    same = source == checkpoint.source
    return EvaluatedOperators(
        data.rows.tokens, family, real, unit, data.rows.split != "train", measured, same_tokens=same
    )


def _family_indices(data: OperatorTokens, space: ParameterSpace, path: Path) -> Indices:
    """Return the index [N] of each operator's family in the order of the model."""
    unknown = [name for name in data.families if name not in space.families]
    if unknown:
        raise DataError(
            f"contains operators of the family {join_names(unknown)}",
            where=str(path),
            expected=f"families of the model: {join_names(space.families, 8)}",
            remedy="evaluate a model that was trained on these families",
        )
    return np.array([space.families.index(name) for name in data.families])[data.family]


def _unit(data: OperatorTokens, space: ParameterSpace, path: Path) -> Floats:
    """Return the coordinates [N, P] of the model's parameters, after a check that they have the same ranges."""
    tables = data.parameters
    unit = np.full((len(data.family), len(space.scales)), np.nan)
    for j, scale in enumerate(space.scales):
        if scale.name not in tables.names:
            continue
        column = tables.names.index(scale.name)
        present = np.isfinite(tables.unit[:, column])
        values, coordinates = tables.physical[present, column], tables.unit[present, column]
        expected = scale.to_physical(scale.to_real(coordinates))
        extent = max(scale.values) - min(scale.values)
        if len(values) and float(np.abs(values - expected).max()) > TOLERANCE * max(extent, abs(max(scale.values))):
            raise DataError(
                f"the values of {scale.name} do not follow from /parameters/params as in the training of the model",
                where=f"{path}:/parameters/physical",
                expected=f"a {scale.kind} parameter with the values {scale.values[0]:g} to {scale.values[-1]:g}",
                remedy="test operators of the same configuration of spinlock generate",
            )
        unit[:, j] = tables.unit[:, column]
    return unit
