"""The four targets have strict thresholds. An undefined value misses its target."""

import pytest

from spinlock.metrics.targets import evaluate_targets


def test_all_targets_are_met_just_beyond_their_thresholds() -> None:
    assert [target.met for target in evaluate_targets(0.9001, 0.8001, 0.8501, 0.2499)] == [True] * 4


def test_a_value_equal_to_the_threshold_misses_the_target() -> None:
    assert [target.met for target in evaluate_targets(0.90, 0.80, 0.85, 0.25)] == [False] * 4


@pytest.mark.parametrize(
    ("values", "missed"),
    [
        ((0.5, 0.9, 0.9, 0.1), "reconstruction_quality"),
        ((0.95, 0.5, 0.9, 0.1), "codebook_utilization"),
        ((0.95, 0.9, 0.5, 0.1), "topographic_correlation"),
        ((0.95, 0.9, 0.9, 0.5), "inter_category_orthogonality"),
        ((0.95, 0.9, 0.9, None), "inter_category_orthogonality"),
    ],
)
def test_each_value_belongs_to_its_own_metric(values: tuple[float, float, float, float | None], missed: str) -> None:
    assert [target.metric for target in evaluate_targets(*values) if not target.met] == [missed]


def test_nan_misses_every_target() -> None:
    assert not any(target.met for target in evaluate_targets(float("nan"), float("nan"), float("nan"), float("nan")))
