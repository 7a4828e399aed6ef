"""Operators with given parameters, instead of sampled ones.

Letters: ``N`` operators.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.operators.sampling import Choice, Operators, Parameter, Stratum

Floats = NDArray[np.float64]


def given_operators(
    strata: Sequence[Stratum], stratum: NDArray[np.int64], values: Mapping[str, Floats], *, where: str
) -> Operators:
    """Return operators with given parameters.

    Parameters
    ----------
    strata
        The kinds of operators.
    stratum
        Index of the stratum of each operator, [N].
    values
        {parameter: physical values [N]}. Values of parameters that an operator does not have are not read.
    where
        Origin of the values, for error messages.

    Returns
    -------
    Operators

    Raises
    ------
    DataError
        A parameter is missing, or a value is outside the range of its parameter.
    """
    rank = np.empty(len(stratum), dtype=np.int64)
    points = []
    for number, kind in enumerate(strata):
        members = np.flatnonzero(stratum == number)
        rank[members] = np.arange(len(members))
        columns = [_unit_values(parameter, members, values, where) for parameter in kind.parameters]
        points.append(np.stack(columns, axis=1) if columns else np.empty((len(members), 0)))
    return Operators(tuple(strata), stratum, rank, tuple(points))


def _unit_values(parameter: Parameter, members: NDArray[np.int64], values: Mapping[str, Floats], where: str) -> Floats:
    """Return the numbers of the unit interval of the values of some operators, after a check."""
    if not len(members):
        return np.empty(0)
    if parameter.name not in values:
        raise DataError(f"has no parameter {parameter.name}", where=where, expected=f"values for {len(members)} rows")
    physical = values[parameter.name][members]
    unit = parameter.unit(physical)
    wrong = np.flatnonzero(np.isnan(unit))
    if len(wrong):
        raise DataError(
            f"{parameter.name} is {physical[wrong[0]]:g} in row {members[wrong[0]]}",
            where=where,
            expected=_valid_values(parameter),
            remedy="use the configuration with which the operators of the predictions were generated",
        )
    return unit


def _valid_values(parameter: Parameter) -> str:
    """Return the range or the options of a parameter as text."""
    if isinstance(parameter.values, Choice):
        return "one of " + ", ".join(f"{option:g}" for option in parameter.values.options)
    return f"{parameter.values.low:g} to {parameter.values.high:g}, the range in the configuration"
