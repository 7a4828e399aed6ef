"""Labels and parameters of the rows of a table.

Letters: ``n`` rows.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.evaluation.discriminability.attributes import Attribute, make_attributes
from spinlock.io.feature_table import FeatureTable
from spinlock.io.names import join_names
from spinlock.io.operator_parameters import read_parameters

MAX_ATTRIBUTES = 12
"""Maximum number of labels and parameters that are measured unless they are named."""


def read_attributes(
    table: FeatureTable, operators: NDArray[np.int64], num_evaluated: int, names: Sequence[str] | None
) -> tuple[list[Attribute], dict[str, str]]:
    """Read labels and parameters of rows.

    Parameters
    ----------
    table
        The table.
    operators
        Operators [n] of the rows, the evaluated rows first.
    num_evaluated
        Number of evaluated rows.
    names
        Names of labels and parameters; None for the first :data:`MAX_ATTRIBUTES` that are found.

    Returns
    -------
    attributes : list of Attribute
        Labels and parameters of the rows.
    skipped : dict
        {name: why it is not measured}.

    Raises
    ------
    DataError
        A name is unknown.
    """
    in_file = not table.path.startswith("<")
    parameters = read_parameters(table.path, table.num_operators) if in_file else {}
    if names is None:
        labels = {name: table.labels[name] for name in table.labels}
        limit = MAX_ATTRIBUTES
    else:
        found = [_group_and_name(name, table.labels, parameters) for name in names]
        if None in found:
            known = join_names([*table.labels, *parameters], 8)
            expected = f"one of {known}" if known else "a dataset with /labels or /parameters"
            unknown = names[found.index(None)]
            raise DataError(f"no label or parameter {unknown!r}", where=table.path, expected=expected)
        labels = {each[1]: table.labels[each[1]] for each in found if each is not None and each[0] == "labels"}
        parameters = {each[1]: parameters[each[1]] for each in found if each is not None and each[0] == "parameters"}
        limit = len(names)
    return make_attributes(
        {name: np.asarray(values)[operators] for name, values in labels.items()},
        {name: values[operators] for name, values in parameters.items()},
        num_evaluated,
        limit,
    )


def _group_and_name(
    name: str, labels: Container[str], parameters: Container[str]
) -> tuple[Literal["labels", "parameters"], str] | None:
    """Return the group of a name and its name there; a name without a group is a label if there is one."""
    plain = {"labels": name.removeprefix("labels/"), "parameters": name.removeprefix("parameters/")}
    if not name.startswith("parameters/") and plain["labels"] in labels:
        return "labels", plain["labels"]
    if not name.startswith("labels/") and plain["parameters"] in parameters:
        return "parameters", plain["parameters"]
    return None
