"""Advice on a missed target: the cause, and changes that would improve the metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spinlock.metrics.targets import QUALITY, UTILIZATION, Target
from spinlock.sizing.search import NEAR_LIMIT, max_codebook_size


@dataclass(frozen=True)
class AdviceContext:
    """Properties of the run on which the advice depends.

    Attributes
    ----------
    train_rows, validation_rows
        Number of training rows on which codebooks were fitted, and of validation rows.
    joint_possible
        Whether joint assignment is an alternative, because tokens are assigned locally.
    discovered
        Whether at least some categories were discovered, and not read from a mapping file.
    meets_target
        Whether the categories meet ``orthogonality_target``.
    max_bits
        Maximum bits per row, or None.
    """

    train_rows: int
    validation_rows: int
    joint_possible: bool
    discovered: bool
    meets_target: bool
    max_bits: float | None = None


def advice(target: Target, metrics: Mapping[str, Any], context: AdviceContext) -> str:
    """Return the cause of a missed target and changes that would improve the metric, in one line.

    Parameters
    ----------
    target
        Missed target.
    metrics
        Final metrics.
    context
        Properties of the run.

    Returns
    -------
    str
    """
    if target.metric == "reconstruction_quality":
        return _quality_advice(metrics, context)
    if target.metric == "codebook_utilization":
        return _utilization_advice(metrics, context)
    if target.metric == "inter_category_orthogonality":
        return _orthogonality_advice(target, context)
    raise_weight = "raise topo_weight, or " if context.joint_possible else ""
    return f"{raise_weight}use more bits per row, because coarse codes distort the distances"


def _quality_advice(metrics: Mapping[str, Any], context: AdviceContext) -> str:
    bits, reference = metrics["bits_per_sample"], metrics["rate_distortion_quality"]["held_out"]
    finer = "a higher orthogonality_target" if context.discovered else "a finer mapping file"
    if context.max_bits is not None and bits > NEAR_LIMIT * context.max_bits:
        return (
            f"max_bits allows {context.max_bits:g} bits per row, and {bits:.0f} are used; the Gaussian reference is a "
            f"quality of {reference:.2f} at this rate"
        )
    if reference <= QUALITY:
        cap = max_codebook_size(context.train_rows, context.validation_rows)
        return (
            f"at {bits:.0f} bits per row even the Gaussian reference reaches a quality of only {reference:.2f}. More "
            f"categories ({finer}) or larger codebooks would raise it; {context.train_rows} training and "
            f"{context.validation_rows} validation rows allow at most {cap} codes in a codebook, more rows allow more"
        )
    if metrics["quality_train"] > QUALITY:
        return (
            f"the quality of the training rows is {metrics['quality_train']:.2f}: {context.train_rows} rows are too "
            "few to generalize; more rows would help, more epochs would not"
        )
    by_category = metrics["rate_distortion_quality"]["block"]
    if context.joint_possible and by_category <= QUALITY:
        return (
            f"at {bits:.0f} bits per row the Gaussian reference reaches a quality of {reference:.2f} if all columns "
            f"are coded together, but {by_category:.2f} if each category is coded alone. assignment: joint selects the "
            f"tokens of a row together; more bits would also help: {finer} gives more categories, factors set larger "
            "codebooks"
        )
    return (
        f"the Gaussian reference reaches a quality of {reference:.2f} at {bits:.0f} bits per row; more bits would help "
        f"most: {finer} gives more categories, and factors set larger codebooks"
    )


def _utilization_advice(metrics: Mapping[str, Any], context: AdviceContext) -> str:
    expected, train = metrics["utilization_expected"], metrics["utilization_train"]
    if expected > UTILIZATION:
        return (
            f"codes are used unevenly: training rows use {train:.2f} of the codes, and {context.validation_rows} "
            f"validation rows would use {expected:.2f} of them if all were equally likely. Rare codes represent "
            "outliers: set a smaller num_codes in factors, or use more rows"
        )
    return (
        f"{context.validation_rows} validation rows are too few: they are expected to use {expected:.2f} of equally "
        f"likely codes, and at most {metrics['utilization_limit']:.2f}; training rows use {train:.2f}. Use more rows, "
        "or set a smaller num_codes in factors"
    )


def _orthogonality_advice(target: Target, context: AdviceContext) -> str:
    if target.value is None:
        return "there is one category only: the columns are too few or too similar for a second one; add features"
    if not context.discovered:
        return "two categories of the mapping file correlate: change the file; training does not change the categories"
    if not context.meets_target:
        return (
            "no partition was found below orthogonality_target: try fewer categories (num_categories_auto) or a "
            "smaller min_features_per_category; training does not change the categories"
        )
    return "lower orthogonality_target or num_categories_auto; training does not change the categories"
