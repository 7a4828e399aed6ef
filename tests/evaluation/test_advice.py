"""Advice on a missed target: which cause is named, on both sides of each condition."""

from dataclasses import replace
from typing import Any

import pytest

from spinlock.evaluation.advice import AdviceContext, advice
from spinlock.metrics.targets import Target
from spinlock.sizing.search import NEAR_LIMIT

CONTEXT = AdviceContext(train_rows=600, validation_rows=60, joint_possible=True, discovered=True, meets_target=True)
QUALITY = Target("reconstruction_quality", 0.8, 0.9, above=True)
METRICS: dict[str, Any] = {
    "bits_per_sample": 100.0,
    "quality_train": 0.85,
    "rate_distortion_quality": {"held_out": 0.95, "block": 0.93},
}


@pytest.mark.parametrize(
    ("max_bits", "limited"),
    [(100 / NEAR_LIMIT + 0.01, False), (100 / NEAR_LIMIT - 0.01, True), (100.0, True), (1000.0, False), (None, False)],
)
def test_max_bits_is_the_cause_only_if_nearly_all_of_them_are_used(max_bits: float | None, limited: bool) -> None:
    text = advice(QUALITY, METRICS, replace(CONTEXT, max_bits=max_bits))
    assert text.startswith("max_bits allows") == limited


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"rate_distortion_quality": {"held_out": 0.89, "block": 0.8}},
            "even the Gaussian reference reaches a quality of only 0.8",
        ),
        ({"quality_train": 0.95}, "the quality of the training rows is 0.95: 600 rows are too few to generalize"),
        ({"rate_distortion_quality": {"held_out": 0.95, "block": 0.89}}, "assignment: joint selects the tokens"),
        ({}, "more bits would help most"),
    ],
)
def test_each_condition_has_its_own_cause(changes: dict[str, Any], words: str) -> None:
    assert words in advice(QUALITY, METRICS | changes, CONTEXT)


@pytest.mark.parametrize(
    ("joint_possible", "words"), [(True, "assignment: joint"), (False, "more bits would help most")]
)
def test_joint_assignment_is_proposed_only_if_it_is_possible(joint_possible: bool, words: str) -> None:
    metrics = METRICS | {"rate_distortion_quality": {"held_out": 0.95, "block": 0.89}}
    assert words in advice(QUALITY, metrics, replace(CONTEXT, joint_possible=joint_possible))


@pytest.mark.parametrize(
    ("value", "changes", "words"),
    [
        (None, {}, "there is one category only"),
        (0.3, {"discovered": False}, "two categories of the mapping file correlate"),
        (0.3, {"meets_target": False}, "no partition was found below orthogonality_target"),
        (0.3, {}, "lower orthogonality_target"),
    ],
)
def test_advice_on_orthogonality(value: float | None, changes: dict[str, Any], words: str) -> None:
    target = Target("inter_category_orthogonality", value, 0.25, above=False)
    assert advice(target, METRICS, replace(CONTEXT, **changes)).startswith(words)


@pytest.mark.parametrize(
    ("expected", "words"), [(0.81, "codes are used unevenly"), (0.79, "validation rows are too few")]
)
def test_advice_on_utilization(expected: float, words: str) -> None:
    metrics = {"utilization_expected": expected, "utilization_train": 0.9, "utilization_limit": 1.0}
    target = Target("codebook_utilization", 0.5, 0.8, above=True)
    assert words in advice(target, metrics, CONTEXT)
