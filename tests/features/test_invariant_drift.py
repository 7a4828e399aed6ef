"""Drift of quantities of fields that consist of a mean, a low mode and a high mode with known time courses."""

import math

import numpy as np
import pytest
import torch

from spinlock.features import invariant_drift
from spinlock.features.invariant_drift import COURSES, CUT, FEATURES, MEASURES, compute, courses
from spinlock.features.run import Run
from tests.features.signals import Floats, check_degenerate, check_rows, noise, values

T, SIDE = 24, 48
TIME = np.arange(T)
PLACE = 2 * np.pi * np.arange(SIDE) / SIDE

MEAN = 5 + 3 * TIME / (T - 1)
LOW = 2 * np.exp(-0.1 * TIME)
HIGH = np.exp(0.03 * TIME) * (1 + 0.3 * (-1.0) ** TIME)
FLAT = np.ones(SIDE)


def run_of(fields: Floats) -> Run:
    """One run of one channel from [T, H, W]."""
    return Run(torch.from_numpy(fields)[None, :, None].float())


def product(amplitude: Floats, along_y: Floats, along_x: Floats) -> Floats:
    return amplitude[:, None, None] * np.outer(along_y, along_x)


def expected_measures(course: Floats) -> dict[str, float]:
    line = np.polyval(np.polyfit(TIME, course, 1), TIME)
    step = np.diff(course)
    size = np.abs(course).mean()
    return {
        "drift": (line[-1] - line[0]) / size,
        "drift_variance": math.log10(max(np.square(course - line).mean() / size**2, 1e-10)),
        "log_ratio": math.log(abs(course[-1] / course[0])),
        "monotonicity": step.sum() / np.abs(step).sum(),
    }


MIXED = run_of(product(MEAN, FLAT, FLAT) + product(LOW, FLAT, np.cos(PLACE)) + product(HIGH, np.cos(6 * PLACE), FLAT))

# The entropy of cos^2 is 1 - ENTROPY_DEFICIT, since <2 cos^2 log(2 cos^2)> = 1 - log 2. A product of two waves has
# twice this deficit.
ENTROPY_DEFICIT = (1 - math.log(2)) / math.log(SIDE**2)
CROSSED = np.isin(TIME, (3, 4, 9, 15, 16, 17, 21, 22, 23)).astype(float)
ENTROPY = 1 - ENTROPY_DEFICIT * (1 + CROSSED)


def crossing(waves: int) -> Run:
    """cos(n x) in some frames, cos(n x) cos(n y) in the others."""
    wave = np.cos(waves * PLACE)
    return run_of(product(1 - CROSSED, FLAT, wave) + product(CROSSED, wave, wave))


POINTS = 2 + (5 * TIME) % 37
SPOTS = run_of((np.arange(SIDE**2) < POINTS[:, None]).astype(float).reshape(T, SIDE, SIDE))

KNOWN_COURSES: dict[str, tuple[Run, Floats]] = {
    "raw_mass": (MIXED, MEAN),
    "raw_l1": (MIXED, MEAN),  # the field is positive
    "raw_l2": (MIXED, np.sqrt(MEAN**2 + (LOW**2 + HIGH**2) / 2)),
    "raw_linf": (MIXED, MEAN + LOW + HIGH),
    "raw_total_variation": (MIXED, 4 * LOW + 6 * 4 * HIGH),
    "raw_entropy": (SPOTS, np.log(POINTS) / math.log(SIDE**2)),
    "low_l1": (MIXED, MEAN),
    "low_l2": (MIXED, np.sqrt(MEAN**2 + LOW**2 / 2)),
    "low_linf": (MIXED, MEAN + LOW),
    "low_total_variation": (MIXED, LOW),
    "low_entropy": (crossing(1), ENTROPY),
    "high_l1": (MIXED, HIGH),
    "high_l2": (MIXED, HIGH),
    "high_linf": (MIXED, HIGH),
    "high_total_variation": (MIXED, HIGH),
    "high_entropy": (crossing(5), ENTROPY),
}
KNOWN: dict[str, tuple[Run, float, float]] = {
    f"{name}_{measure}": (run, expected, 2e-3)
    for name, (run, course) in KNOWN_COURSES.items()
    for measure, expected in expected_measures(course).items()
}
NEUTRAL = {"drift": 0.0, "drift_variance": -10.0, "log_ratio": 0.0, "monotonicity": 0.0}


def check_no_drift(run: Run) -> None:
    for name, value in values(compute, FEATURES, run).items():
        assert value == NEUTRAL[next(measure for measure in MEASURES if name.endswith(f"_{measure}"))], name


def test_every_feature_has_a_known_value() -> None:
    assert list(KNOWN) == list(FEATURES)
    assert len(FEATURES) == 64


@pytest.mark.parametrize("name", KNOWN)
def test_known_value(name: str) -> None:
    run, expected, tolerance = KNOWN[name]
    assert values(compute, FEATURES, run)[name] == pytest.approx(expected, abs=tolerance)


def test_degenerate_runs_are_finite() -> None:
    check_degenerate(compute, len(FEATURES))


def test_rows_are_independent() -> None:
    check_rows(compute)


@pytest.mark.parametrize("shape", [(17, 24), (16, 15), (1, 48)])
def test_quantities_agree_with_numpy(shape: tuple[int, int]) -> None:
    run = Run(0.3 + noise((2, 5, 2, *shape)).cumsum(1))
    raw = run.frames.double().numpy()
    n_y, n_x = np.meshgrid(*(np.fft.fftfreq(size, 1 / size) for size in shape), indexing="ij")
    low = np.fft.ifft2(np.fft.fft2(raw) * (n_y**2 + n_x**2 <= CUT**2)).real
    expected = [raw.mean((-2, -1))]
    for field in (raw, low, raw - low):
        share = np.square(field) / np.square(field).sum((-2, -1), keepdims=True)
        steps_x, steps_y = (np.abs(np.roll(field, -1, axis) - field).mean((-2, -1)) for axis in (-1, -2))
        expected += [
            np.abs(field).mean((-2, -1)),
            np.sqrt(np.square(field).mean((-2, -1))),
            np.abs(field).max((-2, -1)),
            steps_x + steps_y * shape[0] / shape[1],
            -(share * np.log(share)).sum((-2, -1)) / math.log(math.prod(shape)),
        ]
    level = np.sqrt(np.square(raw).mean((1, 3, 4)))[:, None]
    for number, ((_, quantity), course) in enumerate(zip(COURSES, expected, strict=True)):
        unit = 1.0 if quantity == "entropy" else level
        np.testing.assert_allclose(courses(run)[:, :, number].transpose(1, 2), course / unit, atol=2e-5)


@pytest.mark.parametrize("values_per_part", [1, 2 * 16 * 16, 5 * 16 * 16])
def test_quantities_do_not_depend_on_the_division_into_parts(
    values_per_part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(noise((2, 5, 1, 16, 16)))
    whole = courses(run)
    monkeypatch.setattr(invariant_drift, "MAX_VALUES_PER_PART", values_per_part)
    assert torch.equal(courses(run), whole)


def test_quantities_of_a_wave_equal_closed_forms() -> None:
    run = run_of(product(np.ones(1), FLAT, np.cos(PLACE)))
    mass, l1, l2, linf, variation, entropy = courses(run)[0, 0, :6, 0].tolist()
    assert mass == pytest.approx(0, abs=1e-6)
    assert l1 == pytest.approx(2 / math.pi * math.sqrt(2), abs=2e-3)
    assert l2 == pytest.approx(1)
    assert linf == pytest.approx(math.sqrt(2))
    assert variation * SIDE == pytest.approx(4 * math.sqrt(2), rel=1e-5)
    assert entropy == pytest.approx(1 - ENTROPY_DEFICIT, abs=1e-4)


def test_a_translated_pattern_conserves_all_quantities() -> None:
    pattern = noise((16, 16)) + 0.4
    check_no_drift(Run(torch.stack([pattern.roll(3 * t, -1) for t in range(T)])[None, :, None]))


def test_rounding_noise_counts_as_constant() -> None:
    pattern = MIXED.frames[:, :1]
    check_no_drift(Run(pattern * (1 + 1e-6 * noise((1, T, 1, SIDE, SIDE)))))
    check_no_drift(Run(torch.ones(1, T, 1, 16, 16) + 1e-6 * noise((1, T, 1, 16, 16))))


@pytest.mark.parametrize(
    "frames", [torch.zeros(1, 9, 1, 16, 16), noise((1, 1, 2, 16, 16)), 1e-25 * noise((1, 9, 1, 8, 8))]
)
def test_runs_without_change_have_the_documented_values(frames: torch.Tensor) -> None:
    check_no_drift(Run(frames))


def test_drift_does_not_depend_on_the_scale() -> None:
    for factor in (1e-12, 1e5):
        torch.testing.assert_close(compute(Run(factor * MIXED.frames)), compute(MIXED), rtol=1e-3, atol=1e-3)


def test_channels_are_averaged() -> None:
    frames = noise((2, 12, 2, 16, 17)).cumsum(1)
    separate = [compute(Run(frames[:, :, channel : channel + 1])) for channel in range(2)]
    torch.testing.assert_close(compute(Run(frames)), torch.stack(separate).mean(0), rtol=1e-4, atol=1e-4)


def test_the_mass_of_a_field_without_mean_is_conserved() -> None:
    result = values(compute, FEATURES, run_of(product(LOW, FLAT, np.sin(PLACE))))
    for measure, neutral in NEUTRAL.items():
        assert result[f"raw_mass_{measure}"] == neutral
        assert result[f"high_l2_{measure}"] == neutral
    assert result["raw_l2_log_ratio"] == pytest.approx(-0.1 * (T - 1), abs=1e-4)


def test_all_mass_in_the_last_frame_gives_the_largest_drift() -> None:
    frames = torch.zeros(1, T, 1, 8, 8)
    frames[:, -1] = 1
    result = values(compute, FEATURES, Run(frames))
    assert result["raw_mass_drift"] == pytest.approx(6 * (T - 1) / (T + 1), rel=1e-5)
    assert result["raw_mass_log_ratio"] == pytest.approx(math.log(math.sqrt(T) / 1e-5), rel=1e-5)
    assert compute(Run(frames.flip(1)))[0, 0] == pytest.approx(-6 * (T - 1) / (T + 1), rel=1e-5)
