"""The families that a model knows, and the parameters of each.

Letters: ``N`` operators, ``P`` parameters of all families together, ``F`` families, ``d`` parameters of one family.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spinlock.ano.data.operators import OperatorTokens
from spinlock.ano.data.scales import ParameterScale
from spinlock.errors import located

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ParameterSpace:
    """Families, their parameters and the scales of these.

    Attributes
    ----------
    families
        Names of the F families.
    scales
        Scale of each of the P parameters.
    columns
        Indices into ``scales`` of the parameters of each family.
    prior_only
        Whether the parameters of each family are predicted by their prior, because it has too few operators.
    """

    families: tuple[str, ...]
    scales: tuple[ParameterScale, ...]
    columns: tuple[tuple[int, ...], ...]
    prior_only: tuple[bool, ...]

    @classmethod
    def of(cls, data: OperatorTokens, min_operators: int) -> Self:
        """Return the space of a training table.

        Raises
        ------
        DataError
            The scale of a parameter cannot be determined.
        """
        tables, present = data.parameters, np.isfinite(data.parameters.unit)
        used = [j for j in range(len(tables.names)) if present[:, j].any()]
        with located(data.rows.path):
            scales = [
                ParameterScale.fit(tables.names[j], tables.unit[present[:, j], j], tables.physical[present[:, j], j])
                for j in used
            ]
        counts = np.bincount(data.family, minlength=len(data.families))
        columns = []
        for index in range(len(data.families)):
            has = present[data.family == index].any(axis=0)
            columns.append(tuple(position for position, j in enumerate(used) if has[j]))
        return cls(data.families, tuple(scales), tuple(columns), tuple((counts < min_operators).tolist()))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the P parameters."""
        return tuple(scale.name for scale in self.scales)

    @property
    def num_parameters(self) -> tuple[int, ...]:
        """Number of parameters of each family whose density the network predicts; 0 if there is none."""
        return tuple(0 if prior else len(columns) for columns, prior in zip(self.columns, self.prior_only, strict=True))

    def to_real(self, data: OperatorTokens, rng: np.random.Generator) -> Floats:
        """Return z [N, P] of the operators of a table, NaN where an operator has no such parameter.

        The coordinates of options are drawn from their cells.
        """
        position = {name: j for j, name in enumerate(data.parameters.names)}
        unit = data.parameters.unit[:, [position[name] for name in self.names]]
        return np.stack([scale.to_real(unit[:, j], rng) for j, scale in enumerate(self.scales)], axis=1)

    def to_physical(self, family: int, real: Floats) -> Floats:
        """Return physical values [..., P] of z [..., d] of a family; NaN for parameters of other families."""
        physical = np.full((*real.shape[:-1], len(self.scales)), np.nan)
        for axis, column in enumerate(self.columns[family]):
            physical[..., column] = self.scales[column].to_physical(real[..., axis])
        return physical

    def to_dict(self) -> dict[str, Any]:
        """Return the space as plain data, for a checkpoint."""
        return {
            "families": list(self.families),
            "scales": [scale.to_dict() for scale in self.scales],
            "columns": [list(columns) for columns in self.columns],
            "prior_only": list(self.prior_only),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Restore a space from the result of :meth:`to_dict`."""
        return cls(
            tuple(values["families"]),
            tuple(ParameterScale.from_dict(scale) for scale in values["scales"]),
            tuple(tuple(columns) for columns in values["columns"]),
            tuple(values["prior_only"]),
        )
