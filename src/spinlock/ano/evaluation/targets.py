"""The targets of an ANO, and what to know about a missed one."""

from __future__ import annotations

import numpy as np

from spinlock.ano.evaluation.calibration import MIN_P_VALUE, SimulationBasedCalibration
from spinlock.ano.evaluation.families import Families
from spinlock.ano.evaluation.information.section import Information
from spinlock.ano.evaluation.parameters import Parameters
from spinlock.io.names import join_names
from spinlock.metrics.targets import Target

FAMILY_ACCURACY = 0.95
FAMILY_ECE = 0.02
COVERAGE_ERROR = 0.03
SHARE_UNIFORM = 0.95
TARP_GAP = 0.05
INFORMATION_RATIO = 0.95
CLOSED_LOOP_GAP = 0.05
"""Thresholds of the targets."""

KEPT_GOAL = 0.85
"""Goal for the share of the information of the raw features that ANO has. It is not a target, because the tokenizer
limits it."""

TINY = 1e-9
"""A value that equals a threshold meets it."""


def ano_targets(
    families: Families, parameters: Parameters, calibration: SimulationBasedCalibration, information: Information | None
) -> tuple[Target, ...]:
    """Compare the metrics with their thresholds; the value of a metric that was not measured is None."""
    ratio = None if information is None else information.information_ratio
    share = calibration.share_uniform
    return (
        Target("family_accuracy", families.accuracy, FAMILY_ACCURACY - TINY, above=True),
        Target("family_ece", families.ece, FAMILY_ECE, above=False),
        Target("coverage_error", parameters.coverage_error, COVERAGE_ERROR + TINY, above=False),
        Target("share_uniform", share if share == share else None, SHARE_UNIFORM - TINY, above=True),
        Target("tarp_gap", calibration.tarp_gap, TARP_GAP, above=False),
        Target("information_ratio", ratio, INFORMATION_RATIO - TINY, above=True),
        closed_loop_target(None),
    )


def closed_loop_target(gap: float | None) -> Target:
    """Return the target of the closed loop.

    Parameters
    ----------
    gap
        Fraction of equal tokens of the original operators minus that of the best modes, both with the same other
        initial states; None if it was not measured.
    """
    return Target("closed_loop_gap", gap, CLOSED_LOOP_GAP + TINY, above=False)


def target_notes(
    families: Families, parameters: Parameters, calibration: SimulationBasedCalibration, information: Information | None
) -> dict[str, str]:
    """Return {metric: what to know about its value, if its target is missed}."""
    level, fraction = max(parameters.coverage.items(), key=lambda item: abs(item[1].value - float(item[0])))
    low = [f"{rank.family} {rank.name}" for rank in calibration.ranks if rank.p_value <= MIN_P_VALUE]
    return {
        "family_accuracy": f"the standard error is {families.accuracy_error:.3f}; {_confusion(families)}",
        "family_ece": f"with this number of operators, 95% of exact probabilities have an error below "
        f"{families.ece_null_quantile:.3f}",
        "coverage_error": f"the {float(level):.0%} intervals contain {fraction.value:.1%} of the parameters, with a "
        f"standard error of {100 * fraction.error:.1f} points",
        "share_uniform": f"the ranks of {join_names(low, 4)} are not uniform" if low else "no parameter was tested",
        "tarp_gap": f"with this number of operators, 95% of exact posteriors have a gap below "
        f"{calibration.tarp_gap_null_quantile:.3f}",
        "information_ratio": _ratio_note(information),
        "closed_loop_gap": "it was not measured, because it needs --verify",
    }


def _confusion(families: Families) -> str:
    """Return the most frequent confusion of two families."""
    counts = np.array(families.confusion)
    np.fill_diagonal(counts, 0)
    if not counts.any():
        return "no family is confused"
    true, predicted = np.unravel_index(counts.argmax(), counts.shape)
    return (
        f"the most frequent error is {families.names[int(predicted)]} instead of {families.names[int(true)]} "
        f"({counts.max()} operators)"
    )


def _ratio_note(information: Information | None) -> str:
    if information is None or information.information_ratio is None:
        return "it was not measured, because it needs the dataset, the tokenizer and the token file of the training"
    return (
        f"its standard error is {information.information_ratio_error:.3f}; ANO has "
        f"{information.bits('ANO'):.2f} bits, and the same kind of density from decoded features "
        f"{information.bits('decoded features'):.2f}"
    )
