"""Advice on a missed target: what limits it, and what would improve it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spinlock.metrics.targets import QUALITY, UTILIZATION, Target
from spinlock.sizing.search import NEAR_LIMIT, max_codebook_size


@dataclass(frozen=True)
class AdviceContext:
    """What the advice depends on beside the metrics.

    Attributes
    ----------
    train_rows, validation_rows
        Numbers of rows.
    joint_possible
        Whether joint assignment is an alternative, because tokens are assigned locally.
    discovered
        Whether categories were discovered, at least in part, and not read from a mapping file.
    meets_target
        Whether the categories meet ``orthogonality_target``.
    max_bits
        The limit of bits per row, or None.
    """

    train_rows: int
    validation_rows: int
    joint_possible: bool
    discovered: bool
    meets_target: bool
    max_bits: float | None = None


def advice(target: Target, metrics: Mapping[str, Any], context: AdviceContext) -> str:
    """What limits a missed target and what would improve it, in one sentence.

    Parameters
    ----------
    target
        A missed target.
    metrics
        The final metrics.
    context
        Rows and settings of the run.
    """
    if target.metric == "reconstruction_quality":
        return _quality_advice(metrics, context)
    if target.metric == "codebook_utilization":
        return _utilization_advice(metrics, context)
    if target.metric == "inter_category_orthogonality":
        return _orthogonality_advice(target, context)
    return "raise topo_weight, or the bits per row: coarse codes blur the distances"


def _quality_advice(metrics: Mapping[str, Any], context: AdviceContext) -> str:
    bits, reference = metrics["bits_per_sample"], metrics["rate_distortion_quality"]["held_out"]
    finer = "a higher orthogonality_target" if context.discovered else "a finer mapping file"
    if context.max_bits is not None and bits > NEAR_LIMIT * context.max_bits:
        return (
            f"{bits:.0f} bits per row, and max_bits allows {context.max_bits:g}; the Gaussian reference is "
            f"{reference:.2f}"
        )
    if reference <= QUALITY:
        cap = max_codebook_size(context.train_rows, context.validation_rows)
        return (
            f"{bits:.0f} bits per row: even the Gaussian reference is {reference:.2f} there. More categories ({finer}) "
            f"or larger codebooks (K is at most {cap} for {context.train_rows} training and {context.validation_rows} "
            "validation rows: more rows) would raise it"
        )
    if metrics["quality_train"] > QUALITY:
        return (
            f"the training rows reach {metrics['quality_train']:.2f}: {context.train_rows} rows are too few to "
            "generalize from; more rows would help, more epochs would not"
        )
    by_category = metrics["rate_distortion_quality"]["block"]
    if context.joint_possible and by_category <= QUALITY:
        return (
            f"{bits:.0f} bits per row would allow {reference:.2f} over all columns together, but {by_category:.2f} "
            "category by category. assignment: joint chooses the tokens of a row together; more bits "
            f"({finer} gives more categories, factors larger codebooks) help too"
        )
    return (
        f"{bits:.0f} bits per row would allow {reference:.2f}; more bits ({finer} gives more categories, factors "
        "larger codebooks) help most"
    )


def _utilization_advice(metrics: Mapping[str, Any], context: AdviceContext) -> str:
    expected, train = metrics["utilization_expected"], metrics["utilization_train"]
    if expected > UTILIZATION:
        return (
            f"codes are used unevenly: training rows use {train:.2f} of them, and even use would show {expected:.2f} "
            f"in {context.validation_rows} validation rows. Rare codes represent outliers: smaller num_codes in "
            "factors, or more rows"
        )
    return (
        f"{context.validation_rows} validation rows are expected to show {expected:.2f} of evenly used codes, at most "
        f"{metrics['utilization_limit']:.2f}; training rows use {train:.2f}. More rows, or smaller num_codes in factors"
    )


def _orthogonality_advice(target: Target, context: AdviceContext) -> str:
    if target.value is None:
        return "there is one category only: the columns have no second independent direction; add features"
    if not context.discovered:
        return "two categories of the mapping file correlate: change it; training does not change the categories"
    if not context.meets_target:
        return (
            "no partition below orthogonality_target was found: fewer categories (num_categories_auto) or a smaller "
            "min_features_per_category may get there; training does not change the categories"
        )
    return "lower orthogonality_target or num_categories_auto: training does not change the categories"
