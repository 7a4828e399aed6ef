"""Information about the parameters along the chain from features to predictions.

The information of a representation x is the mean of log2 p(z | x) - log2 p0(z) at the true parameters z of an operator,
given its family, where p0 is the prior. An estimate of p(z | x) that is not exact makes it smaller, so that each value
is a lower bound of the mutual information, except for the error of the mean.

Letters: ``N`` operators, ``n`` test operators, ``P`` parameters of all families together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.ano.data.space import ParameterSpace
from spinlock.ano.data.split import OperatorSplit
from spinlock.ano.evaluation.information.estimator import MIN_ROWS, fit_posterior
from spinlock.ano.evaluation.operators import EvaluatedOperators

Floats = NDArray[np.float64]

ANO_STAGE = "ANO"
"""Name of the last stage, the density of the model itself."""

RAW, DECODED, TOKENS = "raw features", "decoded features", "tokens"
"""Names of the other stages."""


@dataclass(frozen=True)
class Stage:
    """Information of one representation.

    Attributes
    ----------
    name
        ``raw features``, ``decoded features``, ``tokens`` or ``ANO``.
    columns
        Number of inputs of the estimator; 0 for ANO.
    bits, error
        Bits per operator, and the standard error of this mean.
    bits_by_family
        {family: bits per operator}.
    """

    name: str
    columns: int
    bits: float
    error: float
    bits_by_family: dict[str, float]


@dataclass(frozen=True)
class Information:
    """The chain of information.

    Attributes
    ----------
    operators
        Number of test operators.
    stages
        The stages in the order of the data; those without a dataset or a tokenizer are left out.
    kept_by_tokenizer, kept_by_tokenizer_error
        Bits of the decoded features divided by those of the raw features, and the standard error of this ratio; None if
        either was not measured.
    information_ratio, information_ratio_error
        Bits of ANO divided by those of the decoded features.
    kept
        Bits of ANO divided by those of the raw features.
    """

    operators: int
    stages: tuple[Stage, ...]
    kept_by_tokenizer: float | None
    kept_by_tokenizer_error: float | None
    information_ratio: float | None
    information_ratio_error: float | None
    kept: float | None

    def bits(self, name: str) -> float | None:
        """Return the bits of a stage, or None if it was not measured."""
        return next((stage.bits for stage in self.stages if stage.name == name), None)


def measure_information(
    representations: Mapping[str, Floats],
    operators: EvaluatedOperators,
    split: OperatorSplit,
    space: ParameterSpace,
    ano_bits: Floats,
) -> Information:
    """Measure each representation with the same estimator, and compare with ANO.

    Parameters
    ----------
    representations
        {stage: inputs [N, E]} in the order of the data.
    operators
        Operators with known parameters.
    split
        The estimator is fitted on the training operators, its settings are chosen on the validation operators, and it
        is measured on the test operators.
    space
        Families and parameters.
    ano_bits
        Information [n] of ANO of each test operator.
    """
    bits = {name: _bits(x, operators, split, space) for name, x in representations.items()}
    bits[ANO_STAGE] = ano_bits
    family = operators.family[split.test]
    columns = {name: x.shape[1] for name, x in representations.items()}
    stages = tuple(
        Stage(
            name=name,
            columns=columns.get(name, 0),
            bits=float(values.mean()),
            error=float(values.std(ddof=1) / np.sqrt(len(values))),
            bits_by_family={
                label: float(values[family == index].mean())
                for index, label in enumerate(space.families)
                if (family == index).any()
            },
        )
        for name, values in bits.items()
    )
    kept, kept_error = _ratio(bits, DECODED, RAW)
    ratio, ratio_error = _ratio(bits, ANO_STAGE, DECODED)
    return Information(
        operators=len(family),
        stages=stages,
        kept_by_tokenizer=kept,
        kept_by_tokenizer_error=kept_error,
        information_ratio=ratio,
        information_ratio_error=ratio_error,
        kept=_ratio(bits, ANO_STAGE, RAW)[0],
    )


def _bits(x: Floats, operators: EvaluatedOperators, split: OperatorSplit, space: ParameterSpace) -> Floats:
    """Return the information [n] of a representation of the test operators; 0 where the prior is the prediction."""
    bits = np.zeros(len(operators.family))
    for index, columns in enumerate(space.columns):
        train, validation, test = (
            part[operators.family[part] == index] for part in (split.train, split.validation, split.test)
        )
        if not columns or len(train) < MIN_ROWS or not len(test):
            continue
        z = operators.real[:, list(columns)]
        posterior = fit_posterior((x[train], z[train]), (x[validation], z[validation]))
        bits[test] = posterior.information_bits(x[test], z[test])
    return bits[split.test]


def _ratio(bits: Mapping[str, Floats], name: str, reference: str) -> tuple[float | None, float | None]:
    """Return the ratio of two means over the same operators, with its standard error (delta method)."""
    if name not in bits or reference not in bits or bits[reference].mean() <= 0:
        return None, None
    ratio = float(bits[name].mean() / bits[reference].mean())
    spread = (bits[name] - ratio * bits[reference]).std(ddof=1) / np.sqrt(len(bits[name]))
    return ratio, float(spread / bits[reference].mean())
