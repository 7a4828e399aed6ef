"""Causal features of signals with known delays, moving patterns and irreversible signals."""

import math
from collections import Counter

import numpy as np
import pytest
import torch

from spinlock.features import causality, coupling
from spinlock.features.run import Run
from tests.features.signals import (
    SIDE,
    blocks,
    check_degenerate,
    check_rows,
    noise,
    traveling,
    uniform,
    values,
    with_energy,
)

T = 1500
RNG = np.random.default_rng(0)


def delayed_pairs(delay: int, height: int = SIDE) -> Run:
    """White noise in pairs of points along x, the right one ``delay`` frames later: [1, T, 1, H, 16]."""
    source = RNG.standard_normal((T + delay, height, SIDE // 2))
    fields = np.stack([source[delay:], source[:T]], axis=-1).reshape(1, T, 1, height, SIDE)
    return Run(torch.from_numpy(fields).float())


def transposed(run: Run) -> Run:
    """The run with x and y exchanged."""
    return Run(run.frames.transpose(-2, -1).contiguous())


def delayed_second_channel(delay: int) -> Run:
    source = RNG.standard_normal((1, T + delay, 1, 4, 4))
    return blocks(np.concatenate([source[:, delay:], source[:, :T]], axis=2))


COPY = math.sqrt(1 - 1 / 9)
"""Value for complete information about three equally probable states: I = log 3."""

PATTERN = traveling((0.012, -0.02), [(1, 0), (0, 1), (2, 1), (1, -2), (3, 3)], 32, (20, 24))
DRIFT = traveling((0.01, 0.0), [(2, 0)], 32, (16, 16))
SAW = (np.arange(65) % 8).astype(float)
ONE_WAY = (7 - 343) / 8 / 7**1.5  # seven steps of 1, one of -7: <d^3> = -42, <d^2> = 7
BACK = ONE_WAY / (1 + abs(ONE_WAY))

KNOWN: dict[str, tuple[Run, float, float]] = {
    "lag_asymmetry_x": (delayed_pairs(3), 1 / 8, 0.003),
    "lag_asymmetry_y": (transposed(delayed_pairs(3)), 1 / 8, 0.003),
    "lagged_coupling": (delayed_pairs(3, height=1), 1.0, 0.01),
    "channel_lag_asymmetry": (delayed_second_channel(3), 1 / 8, 0.003),
    "channel_lagged_coupling": (delayed_second_channel(3), 1.0, 0.01),
    "transfer_entropy": (delayed_pairs(1, height=1), COPY / 2, 0.04),
    "transfer_asymmetry_x": (delayed_pairs(1), COPY, 0.03),
    "transfer_asymmetry_y": (transposed(delayed_pairs(1)), COPY, 0.03),
    "channel_transfer_entropy": (delayed_second_channel(1), COPY / 2, 0.02),
    "channel_transfer_asymmetry": (delayed_second_channel(1), COPY, 0.03),
    "advection_velocity_x": (PATTERN, math.asinh(1.2), 0.002),
    "advection_velocity_y": (PATTERN, -math.asinh(2.0), 0.002),
    "advection_speed": (PATTERN, math.log10(math.hypot(0.012, 0.02)), 0.001),
    "advection_coherence": (PATTERN, 1.0, 1e-4),
    "phase_turning": (DRIFT, math.log10(2 * 2 * 0.01), 1e-4),
    "irreversibility": (uniform(SAW), BACK, 1e-5),
    "irreversibility_strength": (uniform(SAW), -BACK, 1e-5),
    "energy_irreversibility": (with_energy(SAW), BACK, 1e-4),
}


def test_every_feature_has_a_known_value() -> None:
    assert list(KNOWN) == list(causality.FEATURES)


@pytest.mark.parametrize("name", KNOWN)
def test_known_value(name: str) -> None:
    run, expected, tolerance = KNOWN[name]
    assert values(causality.compute, causality.FEATURES, run)[name] == pytest.approx(expected, abs=tolerance)


def test_degenerate_runs_are_finite() -> None:
    check_degenerate(causality.compute, len(causality.FEATURES))


def test_rows_are_independent() -> None:
    check_rows(causality.compute)


def test_asymmetries_change_sign_with_the_direction() -> None:
    forward = values(causality.compute, causality.FEATURES, PATTERN)
    backward = values(causality.compute, causality.FEATURES, Run(PATTERN.frames.flip(1)))
    for name in ("lag_asymmetry_x", "lag_asymmetry_y", "advection_velocity_x", "advection_velocity_y"):
        assert backward[name] == pytest.approx(-forward[name], abs=1e-3)
        assert abs(forward[name]) > 0.005
    one_way = values(causality.compute, causality.FEATURES, uniform(SAW[::-1].copy()))
    assert one_way["irreversibility"] == pytest.approx(-BACK, abs=1e-5)
    assert one_way["irreversibility_strength"] == pytest.approx(-BACK, abs=1e-5)


def test_one_dimensional_fields_have_zero_features_along_y() -> None:
    result = values(causality.compute, causality.FEATURES, traveling((0.03, 0.0), [(1, 0), (2, 0)], 40, (1, 64)))
    assert result["lag_asymmetry_y"] == result["transfer_asymmetry_y"] == result["advection_velocity_y"] == 0
    assert result["advection_velocity_x"] == pytest.approx(math.asinh(3), abs=0.005)


def test_one_channel_has_no_coupling_of_channels() -> None:
    result = values(causality.compute, causality.FEATURES, Run(noise((1, 30, 1, 16, 16))))
    assert {value for name, value in result.items() if name.startswith("channel")} == {0.0}


def test_a_standing_wave_has_no_velocity() -> None:
    forward, backward = (traveling((v, 0.0), [(2, 0)], 32, (16, 16)).frames for v in (0.04, -0.04))
    result = values(causality.compute, causality.FEATURES, Run(forward + backward))  # a standing wave
    assert abs(result["advection_velocity_x"]) < 1e-3
    assert result["advection_speed"] == pytest.approx(-5, abs=0.5)
    noisy = values(causality.compute, causality.FEATURES, Run(noise((1, 32, 1, 16, 16))))
    assert abs(noisy["advection_coherence"]) < 0.2


def test_transfer_entropy_agrees_with_counting() -> None:
    first, second = (noise((1, 1, 2, 60), seed).cumsum(-1) for seed in (0, 1))
    states = [
        torch.div(x - x.amin(), (x.amax() - x.amin()) / 2.99, rounding_mode="floor").long() for x in (first, second)
    ]
    rows = [state[0, 0].tolist() for state in states]
    triples = Counter(
        (b[t + 1], b[t], a[t]) for a, b in zip(*rows, strict=True) for t in range(59)
    )  # target after, target before, source
    total = sum(triples.values())
    known = 0.0
    for (after, before, source), count in triples.items():
        same_past = sum(n for (_, b, c), n in triples.items() if (b, c) == (before, source))
        same_step = sum(n for (a, b, _), n in triples.items() if (a, b) == (after, before))
        same_before = sum(n for (_, b, _), n in triples.items() if b == before)
        known += count / total * math.log(count * same_before / (same_past * same_step))
    assert coupling.transfer_entropy(*states).item() == pytest.approx(math.sqrt(1 - math.exp(-2 * known)), abs=1e-6)


def test_irreversibility_of_a_reversible_process_is_small() -> None:
    reversible = torch.linspace(0, 20 * math.pi, 401)[:400].sin().double().numpy()
    result = values(causality.compute, causality.FEATURES, uniform(reversible))
    assert abs(result["irreversibility"]) < 0.01
    assert result["irreversibility_strength"] < 0.01
