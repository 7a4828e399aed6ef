"""Report of a trained model: its metrics, the four targets, and advice on missed targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spinlock.checkpoint.record import Checkpoint
from spinlock.evaluation.advice import AdviceContext, advice
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
        of all rows of another table.
    """

    metrics: dict[str, Any]
    targets: tuple[Target, ...]
    advice: dict[str, str]
    rows: str = "validation"


def targets_of(metrics: Mapping[str, Any]) -> tuple[Target, Target, Target, Target]:
    """Return the four targets with their values in final metrics."""
    return evaluate_targets(
        metrics["reconstruction_quality"],
        metrics["codebook_utilization"],
        metrics["topographic_correlation"],
        metrics["inter_category_orthogonality"],
    )


def make_report(checkpoint: Checkpoint, metrics: Mapping[str, Any], *, rows: str = "validation") -> Report:
    """Compare final metrics with the targets, and add advice on the missed targets.

    Parameters
    ----------
    checkpoint
        Checkpoint of the model.
    metrics
        Its final metrics.
    rows
        ``validation`` or ``all``; see :class:`Report`.

    Returns
    -------
    Report
    """
    context = AdviceContext(
        train_rows=len(checkpoint.split.train),
        validation_rows=len(checkpoint.split.validation),
        joint_possible=bool(assignment_of(checkpoint.spec.assignment).improvement_hint),
        discovered=checkpoint.config.discovers_categories,
        meets_target=checkpoint.selection.meets_target,
        max_bits=checkpoint.config.max_bits,
    )
    targets = targets_of(metrics)
    missed = {target.metric: advice(target, metrics, context) for target in targets if not target.met}
    return Report(dict(metrics), targets, missed, rows)
