"""The section *discriminability*: what tokens say about each label and parameter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spinlock.evaluation.discriminability.attributes import Attribute
from spinlock.evaluation.discriminability.information import MAX_KNOWN_ROWS, CategoryInformation, category_information
from spinlock.evaluation.discriminability.leaks import determining_columns
from spinlock.evaluation.discriminability.probes import MAX_PROBE_ROWS, Probe, probe
from spinlock.evaluation.reference import KnownRows
from spinlock.evaluation.rows import EvaluatedRows
from spinlock.metrics.information import entropy_bits


@dataclass(frozen=True)
class AttributeResult:
    """What tokens say about one label or parameter.

    Attributes
    ----------
    name, is_parameter
        Name, and whether it is a parameter of the operator rather than a label.
    is_numeric
        Whether the values are numbers; scores are then fractions of variance explained, and accuracies otherwise.
    num_rows, num_missing
        Evaluated rows with a value, and without one or with a class that no other row has.
    num_classes
        Number of classes; 0 for numbers.
    entropy_bits
        Entropy of the classes, or of eight bins of the numbers, of the known rows.
    chance
        Score of a prediction that ignores the rows.
    probes
        Scores on operators that were not in the fit, by representation and method.
    by_category
        {category: mutual information}.
    determined_by
        Name of an input column that determines the attribute, or the names of one-hot columns that determine it
        together; empty if there are none.
    """

    name: str
    is_parameter: bool
    is_numeric: bool
    num_rows: int
    num_missing: int
    num_classes: int
    entropy_bits: float
    chance: float
    probes: tuple[Probe, ...]
    by_category: dict[str, CategoryInformation]
    determined_by: tuple[str, ...]

    def score(self, representation: str, method: str) -> float:
        """Return the score of one probe."""
        return next(p.score for p in self.probes if (p.representation, p.method) == (representation, method))


@dataclass(frozen=True)
class Discriminability:
    """What tokens say about labels and parameters.

    Attributes
    ----------
    attributes
        Results of the labels and parameters that were measured, labels first.
    skipped
        {name: reason why it was not measured}.
    num_probe_rows
        Maximum number of rows of a probe: the evaluated rows, and at most 1,000 of them.
    num_known_rows
        Maximum number of rows on which mutual information is measured: the evaluated rows and, if the table is the
        training table, training rows, and at most 4,000 of both. Rows without a value do not count.
    """

    attributes: tuple[AttributeResult, ...]
    skipped: dict[str, str]
    num_probe_rows: int
    num_known_rows: int


def measure_discriminability(
    rows: EvaluatedRows, known: KnownRows, attributes: Sequence[Attribute], skipped: Mapping[str, str], seed: int
) -> Discriminability:
    """Measure all attributes.

    Parameters
    ----------
    rows
        Evaluated rows, on which the probes are fitted and measured.
    known
        Known rows, the evaluated rows first, on which the mutual information is measured.
    attributes
        Labels and parameters of the known rows.
    skipped
        Reasons why others are not measured.
    seed
        Seed of samples, folds and permutations.

    Returns
    -------
    Discriminability
    """
    results = tuple(_result(rows, known, attribute, attribute.first(len(rows)), seed) for attribute in attributes)
    return Discriminability(
        attributes=results,
        skipped=dict(skipped),
        num_probe_rows=min(len(rows), MAX_PROBE_ROWS),
        num_known_rows=min(len(known), MAX_KNOWN_ROWS),
    )


def _result(rows: EvaluatedRows, known: KnownRows, attribute: Attribute, own: Attribute, seed: int) -> AttributeResult:
    """Measure an attribute of the known rows; ``own`` is that of the evaluated rows."""
    chance, probes = probe(rows, own, seed)
    present = own.present
    return AttributeResult(
        name=attribute.name,
        is_parameter=attribute.is_parameter,
        is_numeric=attribute.is_numeric,
        num_rows=int(present.sum()),
        num_missing=int((~present).sum()),
        num_classes=len(attribute.classes),
        entropy_bits=entropy_bits(attribute.codes[attribute.present]),
        chance=chance,
        probes=probes,
        by_category=category_information(known, attribute, seed),
        determined_by=determining_columns(rows, own),
    )
