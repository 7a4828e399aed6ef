"""The sections of an evaluation, and the order in which they are measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spinlock.evaluation.compression.section import measure_compression
from spinlock.evaluation.reference import Yardstick
from spinlock.evaluation.rows import EvaluatedRows


@dataclass(frozen=True, eq=False)
class Material:
    """What the sections are measured on.

    Attributes
    ----------
    rows
        The evaluated rows.
    yardstick
        Reference rows, on which yardsticks are fitted.
    seed
        Seed of samples, fits and permutations.
    """

    rows: EvaluatedRows
    yardstick: Yardstick
    seed: int


_MEASURES: dict[str, Callable[[Material], Any]] = {
    "compression": lambda given: measure_compression(given.rows, given.yardstick, given.seed),
}

SECTIONS = tuple(_MEASURES)
"""Names of the sections."""


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
        {name: result}.
    """
    results = {}
    for name in sections:
        advance(name)
        results[name] = _MEASURES[name](material)
    return results
