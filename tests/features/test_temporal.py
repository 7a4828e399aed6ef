"""Temporal features of decays, waves, autoregressive processes and events at known times."""

import math

import numpy as np
import pytest
import torch

from spinlock.features import events, growth, memory, periodicity, temporal
from spinlock.features.run import Run
from spinlock.features.signals import log_energy, point_fluctuations, sign_with_hysteresis
from tests.features.signals import (
    SIDE,
    Floats,
    autoregressive,
    blocks,
    check_degenerate,
    check_rows,
    noise,
    orbit,
    uniform,
    values,
    with_energy,
)

T = 64
TIME = np.arange(T)
RNG = np.random.default_rng(0)


def uniform_with_steps(steps: dict[int, float], small: float) -> Run:
    """A uniform field that increases by ``small`` in each frame, except for the given ``steps``."""
    return uniform(np.cumsum([0.0] + [steps.get(t, small) for t in range(T - 1)]))


def process(weights: list[float], frames: int) -> Floats:
    """An independent autoregressive process at each point: [1, T, 1, 4, 4]."""
    return autoregressive(weights, (frames, 4, 4), RNG)[None, :, None]


HANN = (2 / 3 * math.log(3 / 2) + 1 / 3 * math.log(6)) / math.log(T / 2)
"""Entropy of one spectral line, which the window spreads over three bins as 1/6, 2/3, 1/6."""

DECAY = with_energy(-0.1 * TIME)
GROWTH = with_energy(0.1 * TIME)
WAVE = orbit(8, T)
PULSE = with_energy(0.2 * np.cos(2 * np.pi * TIME / 8))
FLICKER = with_energy(autoregressive([0.8], (4000, 4), RNG).T)
JUMP = uniform((TIME >= 32).astype(float))
RAMP = uniform(TIME.astype(float))
WHITE = Run(noise((4, 500, 1, 16, 16)))
SECOND_ORDER = blocks(process([0.5, 0.3], 4000))
JUMPS = uniform_with_steps({5: 10.0, 17: -10.0, 30: 10.0, 44: 10.0}, 1.0)
BURSTS = uniform_with_steps(dict.fromkeys((4, 5, 6, 20, 21, 22, 23, 24, 40), 10.0), 0.1)
LEFT = math.exp(-0.05 * 63)
SETTLED = (math.floor(-math.log(0.1 + 0.9 * LEFT) / 0.05) + 1) / 63
JUMP_VARIANCE = np.array([k * (10 - k) / 100 for k in range(1, 10)] + [0.0] * 46)

KNOWN: dict[str, tuple[Run, float, float]] = {
    "growth_rate": (DECAY, -0.1, 1e-5),
    "growth_rate_change": (with_energy(0.5 * np.abs(TIME - 31.5)), 1 / (1 + 1 / T), 1e-4),
    "trend_r2": (DECAY, 1.0, 1e-5),
    "detrended_spread": (PULSE, math.log10(0.2 / math.sqrt(2)), 0.01),
    "variance_final_initial": (DECAY, -6.3, 1e-4),
    "time_to_half": (DECAY, math.log(1 + math.log(2) / 0.1) / math.log(T), 1e-4),
    "time_to_double": (GROWTH, math.log(1 + math.log(2) / 0.1) / math.log(T), 1e-4),
    "settling_time": (DECAY, SETTLED, 1e-6),
    "dominant_frequency": (WAVE, math.log(1 / 8), 0.005),
    "dominant_power": (WAVE, 1.0, 0.02),
    "spectral_entropy": (WAVE, HANN, 0.03),
    "energy_dominant_frequency": (PULSE, math.log(1 / 8), 0.005),
    "energy_dominant_power": (PULSE, 1.0, 0.02),
    "energy_spectral_entropy": (PULSE, HANN, 0.03),
    "mean_spectral_entropy": (uniform(np.cos(2 * np.pi * TIME / 8)), HANN, 0.03),
    "autocorrelation_time": (blocks(process([0.8], 4000)), math.log(-1 / math.log(0.8)), 0.08),
    "energy_autocorrelation_time": (FLICKER, math.log(-1 / math.log(0.8)), 0.15),
    "partial_autocorrelation_1": (SECOND_ORDER, 0.5 / 0.7, 0.02),
    "partial_autocorrelation_2": (SECOND_ORDER, 0.3, 0.02),
    "partial_autocorrelation_3": (blocks(process([0.0, 0.0, 0.4], 4000)), 0.4, 0.02),
    "partial_autocorrelation_4": (blocks(process([0.0, 0.0, 0.0, -0.5], 4000)), -0.5, 0.02),
    "partial_autocorrelation_5": (blocks(process([0.0, 0.0, 0.0, 0.0, 0.6], 4000)), 0.6, 0.02),
    "smoothness": (WHITE, 0.25, 0.02),
    "energy_smoothness": (PULSE, 1 - math.sin(math.pi / 8) ** 2, 0.02),
    "permutation_entropy": (WHITE, 1.0, 0.01),
    "energy_permutation_entropy": (with_energy((TIME % 2).astype(float)), math.log(2) / math.log(6), 0.001),
    "rolling_variance_5": (RAMP, (5**2 - 1) / (T**2 - 1), 1e-5),
    "rolling_variance_10": (WHITE, 1 - 1 / 10, 0.01),
    "rolling_variance_20": (RAMP, (20**2 - 1) / (T**2 - 1), 1e-5),
    "rolling_contrast": (JUMP, JUMP_VARIANCE.std() / (JUMP_VARIANCE.std() + JUMP_VARIANCE.mean()), 1e-4),
    "activity": (WAVE, math.log10(2 * math.sin(math.pi / 8)), 1e-4),
    "activity_trend": (DECAY, -0.05 * 48, 1e-3),
    "spike_share": (JUMPS, 4 / 63, 1e-6),
    "burst_rate": (BURSTS, 2 / 63, 1e-6),
    "longest_burst": (BURSTS, 5 / 63, 1e-6),
    "regime_switches": (with_energy((TIME // 8 % 2).astype(float)), 7 / 63, 1e-6),
    "zero_crossings": (WAVE, 2 / 8, 0.01),
    "energy_zero_crossings": (PULSE, 2 / 8, 0.01),
}


def test_every_feature_has_a_known_value() -> None:
    assert list(KNOWN) == list(temporal.FEATURES)
    assert len(temporal.FEATURES) == sum(len(module.FEATURES) for module in temporal.MODULES)


@pytest.mark.parametrize("name", KNOWN)
def test_known_value(name: str) -> None:
    run, expected, tolerance = KNOWN[name]
    assert values(temporal.compute, temporal.FEATURES, run)[name] == pytest.approx(expected, abs=tolerance)


def test_degenerate_runs_are_finite() -> None:
    check_degenerate(temporal.compute, len(temporal.FEATURES))


def test_rows_are_independent() -> None:
    check_rows(temporal.compute)


def test_rounding_noise_on_a_conserved_mean_counts_as_constant() -> None:
    frames = orbit(8, T).frames + 1e-6 * noise((1, T, 1, 1, 1))
    result = values(temporal.compute, temporal.FEATURES, Run(frames))
    assert result["mean_spectral_entropy"] == 0.0
    assert (
        result["energy_zero_crossings"]
        == result["energy_permutation_entropy"]
        == result["energy_spectral_entropy"]
        == 0
    )
    still = Run(noise((1, 1, 1, SIDE, SIDE)) + 1e-6 * noise((1, T, 1, SIDE, SIDE), 1))
    assert point_fluctuations(still).abs().max() == 0.0
    assert log_energy(still).std() < 1e-5


def test_a_constant_run_has_the_documented_values() -> None:
    result = values(temporal.compute, temporal.FEATURES, Run(torch.full((1, T, 1, SIDE, SIDE), 0.7)))
    assert result["detrended_spread"] == pytest.approx(-5)
    assert result["activity"] == pytest.approx(-5)
    assert (
        result["time_to_half"] == result["time_to_double"] == result["smoothness"] == result["energy_smoothness"] == 1
    )
    for name in ("dominant_frequency", "energy_dominant_frequency"):
        assert result.pop(name) == pytest.approx(-math.log(T))
    for name in ("autocorrelation_time", "energy_autocorrelation_time"):
        assert result.pop(name) == pytest.approx(math.log(T))
    ones = {"detrended_spread", "activity", "time_to_half", "time_to_double", "smoothness", "energy_smoothness"}
    assert {name for name, value in result.items() if value != 0} == ones


def test_partial_autocorrelations_solve_the_yule_walker_equations(rng: np.random.Generator) -> None:
    series = rng.standard_normal((3, 40)).cumsum(1)
    series -= series.mean(1, keepdims=True)
    result = memory.partial_autocorrelations(memory.autocovariance(torch.from_numpy(series)))
    for row, x in zip(result.tolist(), series, strict=True):
        r = [float(x[lag:] @ x[: 40 - lag]) for lag in range(6)]
        for order in range(1, 6):
            matrix = np.array([[r[abs(i - j)] for j in range(order)] for i in range(order)])
            assert row[order - 1] == pytest.approx(np.linalg.solve(matrix, r[1 : order + 1])[-1], abs=1e-4)


@pytest.mark.parametrize("order", [3, 4])
def test_permutation_entropy_agrees_with_counting(order: int, rng: np.random.Generator) -> None:
    signal = np.round(3 * rng.standard_normal((2, 50)).cumsum(1)) / 3  # with ties
    patterns = [tuple(np.argsort(x[t : t + order], kind="stable")) for x in signal for t in range(51 - order)]
    share = np.unique(patterns, axis=0, return_counts=True)[1] / len(patterns)
    expected = -(share * np.log(share)).sum() / math.log(math.factorial(order))
    result = memory.permutation_entropy(torch.from_numpy(signal)[None, None].float(), order)
    assert result.item() == pytest.approx(expected, abs=1e-6)


def test_rolling_variance_agrees_with_numpy(rng: np.random.Generator) -> None:
    signal = rng.standard_normal((2, 30)).cumsum(1)
    signal -= signal.mean(1, keepdims=True)
    windows = np.lib.stride_tricks.sliding_window_view(signal, 7, axis=1).var(-1).mean(0)
    result = memory.rolling_variance(torch.from_numpy(signal)[None, None], 7)[0, 0]
    np.testing.assert_allclose(result, windows / np.square(signal).mean(), rtol=1e-9)


@pytest.mark.parametrize("frequency", [0.1, 0.17, 0.33])
def test_peak_frequency_is_interpolated_between_bins(frequency: float) -> None:
    power = periodicity.periodogram(torch.from_numpy(np.sin(2 * np.pi * frequency * TIME)))
    assert periodicity.peak_frequency(power, T).item() == pytest.approx(frequency, abs=0.1 / T)


def test_sign_with_hysteresis_keeps_the_sign_between_the_thresholds() -> None:
    signal = torch.tensor([0.1, 1.0, 0.2, -0.2, 0.9, -1.0, -0.1, 0.3])
    assert sign_with_hysteresis(signal, 0.5).tolist() == [0, 1, 1, 1, 1, -1, -1, -1]


def test_an_event_that_never_occurs_has_time_one() -> None:
    result = values(growth.compute, growth.FEATURES, GROWTH)
    assert result["time_to_half"] == 1.0
    assert values(growth.compute, growth.FEATURES, DECAY)["time_to_double"] == 1.0


def test_activity_is_the_relative_change_of_the_field() -> None:
    run = Run(noise((2, 9, 2, 16, 20)))
    change = run.frames.diff(dim=1).square().mean((-2, -1)).sqrt() / run.frames.square().mean((1, 3, 4)).sqrt()[:, None]
    torch.testing.assert_close(events.activity(run), change.transpose(1, 2))
