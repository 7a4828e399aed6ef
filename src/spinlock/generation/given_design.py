"""Designs of operators whose family and parameters are given, for example by a prediction from tokens.

Letters: ``N`` operators.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.config.dataset import OperatorSettings
from spinlock.errors import DataError
from spinlock.generation.design import AMPLITUDE, CONDITION, WAVENUMBER, Design, design_of, make_strata
from spinlock.io.predictions.reading import PredictedOperators
from spinlock.operators.draws import text_seed
from spinlock.operators.given import given_operators
from spinlock.operators.pde import FAMILIES
from spinlock.operators.sampling import NEURAL, Stratum, sobol_points

Floats = NDArray[np.float64]
INITIAL = (AMPLITUDE, WAVENUMBER)

NEW_WEIGHTS = 1
"""Second number of the seed of the weights of predicted neural operators."""


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class OperatorTable:
    """Families and parameters of N operators.

    Attributes
    ----------
    family
        Names [N].
    policy
        Update policies [N] of neural operators, or None if they are not known; then they are drawn.
    values
        {parameter: physical values [N]}. Values of parameters that an operator does not have are not read. If it
        contains the amplitude and the wave number of the initial fields, these are used, otherwise drawn.
    condition
        Names [N] of the initial conditions, or None; then they are drawn.
    where
        Origin of the table, for error messages.
    """

    family: NDArray[np.str_]
    policy: NDArray[np.str_] | None
    values: Mapping[str, Floats]
    condition: NDArray[np.str_] | None
    where: str


def given_design(
    table: OperatorTable,
    settings: OperatorSettings,
    *,
    streams: NDArray[np.int64] | None = None,
    weight_seed: int | None = None,
    run_seed: int | None = None,
) -> Design:
    """Return the design of given operators.

    Parameters
    ----------
    table
        The operators.
    settings
        Ranges of the parameters, initial conditions, policies and seed. The keys ``num_samples``, ``families`` and
        ``neural_fraction`` are not read.
    streams
        Index of the random streams of each operator, [N]; None for 0, 1, ..., N - 1.
    weight_seed, run_seed
        Seeds; see :class:`~spinlock.generation.design.Design`. None for the seed of the settings. Unknown policies are
        drawn with the seed of the weights.

    Returns
    -------
    Design

    Raises
    ------
    DataError
        A family, a policy or an initial condition is unknown, or a value is outside its range.
    """
    streams = np.arange(len(table.family)) if streams is None else streams
    seed = settings.random_seed if run_seed is None else run_seed
    family, conditions = _families(table), settings.initial_conditions
    update = {"families": tuple(sorted(set(family) - {NEURAL})), "neural_fraction": 0.5 if NEURAL in family else 0.0}
    if not update["families"]:
        update["neural_fraction"] = 1.0
    strata = make_strata(settings.model_copy(update=update))
    weights = settings.random_seed if weight_seed is None else weight_seed
    policy = _policies(table, settings.neural_policies, weights)
    position = {(each.family, each.policy): number for number, each in enumerate(strata)}
    stratum = np.array([position[pair] for pair in zip(family, policy, strict=True)], dtype=np.int64)
    values = dict(table.values) | _initial_values(table, strata, conditions, streams, seed)
    operators = given_operators(strata, stratum, values, where=table.where)
    return design_of(operators, settings, weight_seed=weight_seed, run_seed=run_seed, streams=streams)


def predicted_design(predicted: PredictedOperators, settings: OperatorSettings) -> Design:
    """Return the design of the first ``num_samples`` predicted operators; see :func:`given_design` for the errors.

    Neural operators have other weights than those of a dataset with the same seed.
    """
    count = min(settings.num_samples, len(predicted.family))
    initial = {name: predicted.annotated[name] for name in INITIAL if name in predicted.annotated}
    condition = None if predicted.condition is None else predicted.condition[:count]
    values = {name: column[:count] for name, column in (predicted.values | initial).items()}
    table = OperatorTable(predicted.family[:count], None, values, condition, str(predicted.path))
    weight_seed = int(np.random.SeedSequence((settings.random_seed, NEW_WEIGHTS)).generate_state(1)[0])
    return given_design(table, settings, weight_seed=weight_seed)


def _families(table: OperatorTable) -> list[str]:
    """Return the names of the families after a check."""
    names: list[str] = table.family.tolist()
    unknown = sorted(set(names) - {*FAMILIES, NEURAL})
    if unknown:
        expected = ", ".join((*FAMILIES, NEURAL))
        raise DataError(f"contains the family {unknown[0]}", where=table.where, expected=f"one of {expected}")
    return names


def _policies(table: OperatorTable, known: tuple[str, ...], seed: int) -> list[str]:
    """Return the policy of each operator, and "" for PDE operators; unknown policies are drawn uniformly."""
    if table.policy is None:
        rng = np.random.default_rng(text_seed(seed, "policy"))
        policies = [known[index] for index in rng.integers(len(known), size=len(table.family)).tolist()]
    else:
        policies = table.policy.tolist()
    chosen = [policy if family == NEURAL else "" for family, policy in zip(table.family, policies, strict=True)]
    unknown = sorted(set(chosen) - {"", *known})
    if unknown:
        what = f"contains neural operators with the policy {unknown[0]}"
        raise DataError(what, where=table.where, expected=f"one of {', '.join(known)}")
    return chosen


def _initial_values(
    table: OperatorTable,
    strata: tuple[Stratum, ...],
    conditions: tuple[str, ...],
    streams: NDArray[np.int64],
    seed: int,
) -> dict[str, Floats]:
    """Return amplitude, wave number and condition of the initial fields; those that the table lacks are drawn."""
    parameters = {each.name: each for each in strata[0].parameters}
    points = sobol_points(3, int(streams.max()) + 1, text_seed(seed, "initial"))[streams]
    names = (*INITIAL, CONDITION)
    values = {name: parameters[name].at(points[:, column]) for column, name in enumerate(names)}
    values |= {name: table.values[name] for name in INITIAL if name in table.values}
    if table.condition is not None:
        unknown = sorted(set(table.condition.tolist()) - set(conditions))
        if unknown:
            what = f"contains the initial condition {unknown[0]}"
            raise DataError(what, where=table.where, expected=f"one of {', '.join(conditions)}")
        values[CONDITION] = np.array([conditions.index(name) for name in table.condition.tolist()], dtype=np.float64)
    return values
