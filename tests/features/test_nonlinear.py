"""Nonlinear features of lines, circles, chaos and noise, and against loops."""

import math

import numpy as np
import pytest
import torch

from spinlock.features import nonlinear, recurrence
from spinlock.features.run import Run
from tests.features.signals import (
    Floats,
    check_degenerate,
    check_rows,
    noise,
    orbit,
    uniform,
    values,
)

T = 64
TIME = np.arange(T)


def logistic_map(frames: int, runs: int) -> Floats:
    """The logistic map x' = 4 x (1 - x): [R, T]."""
    states = [np.random.default_rng(0).uniform(0.1, 0.9, runs)]
    for _ in range(frames - 1):
        states.append(4 * states[-1] * (1 - states[-1]))
    return np.stack(states, 1)


def recurrence_rate_of_a_circle() -> float:
    """Fraction of pairs, two or more frames apart, on a circle of 16 steps with 1 - cos(angle) < 0.3^2."""
    pairs = [(s, t) for s in range(T) for t in range(T) if abs(s - t) >= 2]
    return sum(1 - math.cos(2 * math.pi * (s - t) / 16) < 0.09 for s, t in pairs) / len(pairs)


def trend_of_a_line() -> float:
    """The nearest tenth has 196 of 1953 pairs. 62 + 61 + 60 pairs are 2 to 4 frames apart, and 59 pairs are 5 apart."""
    lag = np.arange(2, T)
    covariance = np.cov(lag, lag <= 5, aweights=T - lag)
    return covariance[0, 1] / math.sqrt(covariance[0, 0] * covariance[1, 1])


def dimension_of_a_line() -> float:
    separation = np.sort([t - s for s in range(T) for t in range(s + 2, T)])
    reach = separation[math.ceil(len(separation) / 10) - 1]
    return float(1 / np.log(reach / separation[separation <= reach]).mean())


CIRCLE = orbit(16, T)
LINE = uniform(TIME.astype(float))
STAIRS = uniform(
    (np.arange(60) // 12).astype(float)
)  # a step of 12 frames has vertical lines of length 1 to 10, each twice
WALK = Run(noise((3, 120, 1, 16, 16)).cumsum(1))
DRIFTING = Run(uniform(3 * TIME.astype(float)).frames + 5 * CIRCLE.frames)
DRIFT_VARIANCE, CIRCLE_VARIANCE = 9 * (T**2 - 1) / 12, 25 / 2

# The nearest tenth of the circle is on diagonals 16 k - 1, 16 k and 16 k + 1: nine with 288 pairs, one with one pair.
KNOWN: dict[str, tuple[Run, float, float]] = {
    "recurrence_rate": (CIRCLE, recurrence_rate_of_a_circle(), 1e-6),
    "determinism": (CIRCLE, 288 / 289, 1e-6),
    "laminarity": (STAIRS, 52 / 55, 1e-6),
    "mean_diagonal": (CIRCLE, math.log(289 / 10), 1e-5),
    "longest_diagonal": (CIRCLE, math.log(1 + 49) / math.log(1 + 62), 1e-6),
    "trapping_time": (STAIRS, math.log(5.5), 1e-6),
    "recurrence_trend": (LINE, trend_of_a_line(), 1e-6),
    "correlation_dimension": (LINE, math.log(1 + dimension_of_a_line()), 1e-4),
    "trajectory_dimension": (CIRCLE, math.log(2), 1e-4),
    "drift_r2": (DRIFTING, DRIFT_VARIANCE / (DRIFT_VARIANCE + CIRCLE_VARIANCE), 1e-3),
    "detrended_dimension": (DRIFTING, math.log(2), 0.01),
    "path_length": (CIRCLE, math.log(63 * math.sin(math.pi / 16)), 1e-4),
    "displacement": (CIRCLE, math.sin(math.pi / 16), 1e-4),
    "return_distance": (LINE, 16 / math.sqrt((T**2 - 1) / 6), 1e-4),
    "neighbor_divergence": (uniform(logistic_map(128, 20)), math.log(2), 0.1),
    "sample_entropy": (WALK, -math.log(math.erf(0.1)), 0.05),
}


def test_every_feature_has_a_known_value() -> None:
    assert list(KNOWN) == list(nonlinear.FEATURES)


@pytest.mark.parametrize("name", KNOWN)
def test_known_value(name: str) -> None:
    run, expected, tolerance = KNOWN[name]
    assert values(nonlinear.compute, nonlinear.FEATURES, run)[name] == pytest.approx(expected, abs=tolerance)


def test_degenerate_runs_are_finite() -> None:
    check_degenerate(nonlinear.compute, len(nonlinear.FEATURES))


def test_rows_are_independent() -> None:
    check_rows(nonlinear.compute)


def test_distances_agree_with_numpy() -> None:
    run = Run(
        noise((2, 12, 2, 16, 20)) + 100 * noise((2, 1, 2, 16, 20), 1)
    )  # the changes are small relative to the constant field
    result = nonlinear.squared_distances(run.frames, torch.ones(2, 2))
    fields = run.frames.flatten(2).double().numpy()
    squares = np.square(fields[:, :, None] - fields[:, None]).sum(-1)
    np.testing.assert_allclose(result, squares / squares.mean((1, 2), keepdims=True), atol=1e-4)


def run_lengths(plot: np.ndarray) -> list[int]:
    """Lengths of the runs of true values in several sequences."""
    return [len(part) for line in plot for part in "".join("#" if p else "." for p in line).split(".") if part]


@pytest.mark.parametrize("seed", range(3))
def test_recurrence_agrees_with_plain_loops(seed: int) -> None:
    walk = np.random.default_rng(seed).standard_normal((30, 2)).cumsum(0)
    distance = np.sqrt(np.square(walk[:, None] - walk).sum(-1))
    distance /= np.sqrt(np.square(distance).mean())
    separation = np.abs(np.subtract.outer(np.arange(30), np.arange(30))) >= 2
    radius = np.sort(distance[separation])[math.ceil(0.1 * separation.sum()) - 1]
    plot = separation & (distance <= 1.001 * radius)
    diagonals, verticals = run_lengths([plot.diagonal(lag) for lag in range(2, 30)]), run_lengths(plot)
    expected = [
        (separation & (distance < 0.3)).sum() / separation.sum(),
        sum(n for n in diagonals if n >= 3) / sum(diagonals),
        sum(n for n in verticals if n >= 3) / sum(verticals),
        math.log(np.mean(diagonals)),
        math.log(1 + max(diagonals)) / math.log(29),
        math.log(np.mean(verticals)),
    ]
    result = [value.item() for value in recurrence.quantify(torch.from_numpy(distance).float()[None])]
    assert result[:6] == pytest.approx(expected, abs=1e-5)


def test_sample_entropy_agrees_with_plain_loops() -> None:
    signal = noise((1, 1, 2, 25), 3)
    counts = [0, 0]
    for x in signal[0, 0].tolist():
        for s in range(23):
            for t in range(s + 1, 23):
                two = all(abs(x[s + i] - x[t + i]) <= 0.2 for i in range(2))
                counts[0] += two
                counts[1] += two and abs(x[s + 2] - x[t + 2]) <= 0.2
    assert counts[1] > 0
    assert nonlinear.sample_entropy(signal).item() == pytest.approx(math.log(counts[0] / counts[1]), abs=1e-6)


def test_dimensions_of_a_circle_and_a_torus(rng: np.random.Generator) -> None:
    x = 2 * np.pi * np.arange(16) / 16
    first, second = (
        np.cos(n * x - angle[:, None]) for n, angle in zip((1, 2), rng.uniform(0, 7, (2, 128)), strict=True)
    )
    circle, torus = (
        values(nonlinear.compute, nonlinear.FEATURES, Run(torch.from_numpy(fields).float()[None, :, None, None]))
        for fields in (first, first + second)
    )
    assert math.expm1(circle["correlation_dimension"]) == pytest.approx(1, abs=0.15)
    assert math.expm1(torus["correlation_dimension"]) == pytest.approx(2, abs=0.3)
    assert torus["trajectory_dimension"] == pytest.approx(math.log(4), abs=0.05)


def test_a_stationary_run_is_recurrent_everywhere() -> None:
    still = Run(noise((1, 1, 1, 16, 16)) + 1e-6 * noise((1, T, 1, 16, 16), 1))
    result = values(nonlinear.compute, nonlinear.FEATURES, still)
    full = {"recurrence_rate", "longest_diagonal"}
    assert {result.pop(name) for name in full} == {1.0}
    assert result.pop("mean_diagonal") == pytest.approx(math.log(np.mean(np.arange(1, 63))))
    assert result.pop("laminarity") > 0.99
    assert result.pop("determinism") > 0.99
    assert result.pop("trapping_time") > 3
    assert set(result.values()) == {0.0}


def test_a_long_run_is_described_by_a_subset_of_its_frames() -> None:
    frames = orbit(16, 1000).frames
    whole = values(nonlinear.compute, nonlinear.FEATURES, Run(frames))
    thinned = values(nonlinear.compute, nonlinear.FEATURES, Run(frames[:, ::8]))
    for name in set(nonlinear.FEATURES) - {"neighbor_divergence", "sample_entropy"}:
        assert whole[name] == pytest.approx(thinned[name], abs=1e-3), name
