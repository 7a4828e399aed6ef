"""The sections of an evaluation, and the order in which they are measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from spinlock.evaluation.aliasing import measure_aliasing
from spinlock.evaluation.compression.section import measure_compression
from spinlock.evaluation.discriminability.attributes import Attribute
from spinlock.evaluation.discriminability.section import measure_discriminability
from spinlock.evaluation.health import measure_health
from spinlock.evaluation.reconstruction.section import measure_reconstruction
from spinlock.evaluation.reconstruction.shift import measure_shift
from spinlock.evaluation.reference import ReferenceRows, known_rows
from spinlock.evaluation.rows import EvaluatedRows
from spinlock.evaluation.stability.churn import measure_churn
from spinlock.evaluation.stability.section import RealizationHalves, measure_stability
from spinlock.evaluation.topology import measure_topology


@dataclass(frozen=True, eq=False)
class Others:
    """Rows with which the evaluated rows are compared.

    Attributes
    ----------
    compared
        Path of a second dataset and its rows, or None.
    against
        Path of another model and the evaluated rows that it encoded, or None.
    halves
        Rows from the two halves of the realizations, or None.
    """

    compared: tuple[str, EvaluatedRows] | None = None
    against: tuple[str, EvaluatedRows] | None = None
    halves: RealizationHalves | None = None


@dataclass(frozen=True, eq=False)
class Material:
    """What the sections are measured on.

    Attributes
    ----------
    rows
        The evaluated rows.
    reference
        Reference rows, on which references are fitted.
    validation_errors
        Mean squared errors of the validation rows of the training run, in ascending order.
    attributes, skipped
        Labels and parameters of the known rows, and reasons why others are not measured.
    others
        Rows with which the evaluated rows are compared.
    seed
        Seed of samples, fits and permutations.
    """

    rows: EvaluatedRows
    reference: ReferenceRows
    validation_errors: NDArray[Any]
    attributes: Sequence[Attribute]
    skipped: dict[str, str]
    seed: int
    others: Others = field(default_factory=Others)


def _shift(given: Material) -> Any:
    assert given.others.compared is not None, "a second dataset is given"
    path, rows = given.others.compared
    return measure_shift(given.rows, rows, path)


def _churn(given: Material) -> Any:
    assert given.others.against is not None, "another model is given"
    path, rows = given.others.against
    return measure_churn(given.rows, rows, path)


_MEASURES: dict[str, Callable[[Material], Any]] = {
    "compression": lambda given: measure_compression(given.rows, given.reference, given.seed),
    "reconstruction": lambda given: measure_reconstruction(
        given.rows, given.reference, given.validation_errors, given.seed
    ),
    "shift": _shift,
    "topology": lambda given: measure_topology(given.rows),
    "discriminability": lambda given: measure_discriminability(
        given.rows, known_rows(given.rows, given.reference), given.attributes, given.skipped, given.seed
    ),
    "aliasing": lambda given: measure_aliasing(given.rows, given.seed),
    "stability": lambda given: measure_stability(given.rows, given.others.halves, given.seed),
    "churn": _churn,
    "health": lambda given: measure_health(given.rows, given.reference),
}

SECTIONS = tuple(_MEASURES)
"""Names of the sections. ``shift`` needs a second dataset and ``churn`` another model; without them they are None."""


def measure(material: Material, sections: Sequence[str], advance: Callable[[str], None]) -> dict[str, Any]:
    """Measure sections.

    Parameters
    ----------
    material
        What they are measured on.
    sections
        Their names, of :data:`SECTIONS`.
    advance
        Called with the name of each section before it is measured.

    Returns
    -------
    dict
        {name: result}, without the sections that lack a dataset or a model to compare with.
    """
    others, results = material.others, {}
    lacking = {name for name, other in (("shift", others.compared), ("churn", others.against)) if other is None}
    for name in SECTIONS:
        if name in sections and name not in lacking:
            advance(name)
            results[name] = _MEASURES[name](material)
    return results
