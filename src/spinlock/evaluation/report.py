"""Report of a trained model: its metrics, the four targets, and advice on missed targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spinlock.checkpoint.record import Checkpoint
from spinlock.evaluation.advice import AdviceContext, advice
from spinlock.evaluation.other_table import other_table_advice
from spinlock.evaluation.quality_notes import quality_notes
from spinlock.metrics.targets import Target, evaluate_targets
from spinlock.sizing.assignment import assignment_of


@dataclass(frozen=True)
class Report:
    """Evaluation of a tokenizer.

    Attributes
    ----------
    metrics
        Metrics by name, as in ``metrics`` of a checkpoint.
    targets
        Quality, utilization, orthogonality and topographic correlation with their thresholds.
    advice
        For the metric of each missed target, its cause and changes that would improve it.
    rows
        ``validation`` if the metrics are those of the validation rows of the training table, ``all`` if they are those
        of all rows of another table, ``sample`` if they are those of a sample of its rows.
    num_rows
        Number of rows that were measured.
    notes
        What a reader of the reconstruction quality has to know: why the rank quality is far below it, with the names of
        extreme rows if they are the cause, or that the rank quality is not known.
    """

    metrics: dict[str, Any]
    targets: tuple[Target, ...]
    advice: dict[str, str]
    rows: str = "validation"
    num_rows: int = 0
    notes: tuple[str, ...] = ()


def targets_of(metrics: Mapping[str, Any]) -> tuple[Target, Target, Target, Target]:
    """Return the four targets with their values in final metrics."""
    return evaluate_targets(
        metrics["reconstruction_quality"],
        metrics["codebook_utilization"],
        metrics["topographic_correlation"],
        metrics["inter_category_orthogonality"],
    )


def make_report(checkpoint: Checkpoint, metrics: Mapping[str, Any]) -> Report:
    """Compare the final metrics of a training run with the targets, and add advice on the missed targets.

    Parameters
    ----------
    checkpoint
        Checkpoint of the model.
    metrics
        Its final metrics.

    Returns
    -------
    Report
    """
    context, targets = _context(checkpoint), targets_of(metrics)
    missed = {target.metric: advice(target, metrics, context) for target in targets if not target.met}
    num_rows = len(checkpoint.split.validation)
    return Report(dict(metrics), targets, missed, "validation", num_rows, quality_notes(metrics))


def make_other_report(checkpoint: Checkpoint, metrics: Mapping[str, Any], *, num_rows: int, rows: str) -> Report:
    """Compare the metrics of another table with the targets, and add advice on the missed targets.

    Parameters
    ----------
    checkpoint
        Checkpoint of the model.
    metrics
        Metrics of :func:`~spinlock.evaluation.other_table.other_table_metrics`.
    num_rows, rows
        As in :class:`Report`.

    Returns
    -------
    Report
    """
    context, trained, targets = _context(checkpoint), checkpoint.metrics, targets_of(metrics)
    own = targets_of(trained) if trained else (None,) * len(targets)
    missed = {
        target.metric: other_table_advice(target, training_target, trained, context)
        for target, training_target in zip(targets, own, strict=True)
        if not target.met
    }
    return Report(dict(metrics), targets, missed, rows, num_rows, quality_notes(metrics))


def _context(checkpoint: Checkpoint) -> AdviceContext:
    """Return the properties of a run on which advice depends."""
    return AdviceContext(
        train_rows=min(len(checkpoint.split.train), checkpoint.config.fit_rows),
        validation_rows=len(checkpoint.split.validation),
        joint_possible=bool(assignment_of(checkpoint.spec.assignment).improvement_hint),
        discovered=checkpoint.config.discovers_categories,
        meets_target=checkpoint.selection.meets_target,
        max_bits=checkpoint.config.max_bits,
    )
