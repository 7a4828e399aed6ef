"""Cross-channel features of channels with known correlation, shift, phase and gradients."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from spinlock.features import cross_channel
from spinlock.features.cross_channel import EDGES, FEATURES, compute, mutual_information
from spinlock.features.run import Run
from tests.features.signals import Floats, check_degenerate, check_rows, noise, values

SIDE = 64
PLACE = 2 * np.pi * np.arange(SIDE) / SIDE
Y, X = np.meshgrid(PLACE, PLACE, indexing="ij")
STEP = 2 * math.pi / SIDE
PHASE = math.acos(0.6)
FIELD = noise((SIDE, SIDE)).double().numpy()
PAIRS = [name for name in FEATURES if name not in ("eigenvalue_share", "participation_ratio", "energy_imbalance")]


def run_of(*channels: Floats) -> Run:
    """One run of two equal frames."""
    return Run(torch.from_numpy(np.stack(channels)).float().expand(1, 2, -1, -1, -1).contiguous())


def mean_over_frames(run: Run) -> Tensor:
    return compute(run).mean(1)


def features_of(run: Run) -> dict[str, float]:
    return values(mean_over_frames, FEATURES, run)


KNOWN: dict[str, tuple[Run, float, float]] = {
    "eigenvalue_share": (run_of(2 * np.cos(X), 5 + np.sin(X)), 4 / (4 + 1), 1e-5),
    "participation_ratio": (run_of(np.cos(X), 7 * np.cos(X + PHASE)), 2 / (1 + 0.6**2), 1e-5),
    "energy_imbalance": (run_of(3 + 0 * X, np.cos(X)), math.log(9 / 0.5), 1e-5),
    "correlation_mean": (run_of(np.cos(X), 2 - np.cos(X + PHASE)), -0.6, 1e-5),
    "correlation_max": (run_of(FIELD, 3 + 2 * np.roll(FIELD, (5, -9), (0, 1))), 1.0, 1e-5),
    "correlation_min": (run_of(FIELD, 3 - 2 * np.roll(FIELD, (5, -9), (0, 1))), -1.0, 1e-5),
    "mutual_information": (run_of(np.sign(FIELD), 3 - 2 * np.sign(FIELD)), math.sqrt(0.75), 1e-3),
    "gradient_alignment": (
        run_of(np.cos(X), np.cos(X + 2 * Y)),
        (1 - 4 * math.cos(STEP) ** 2)
        / (1 + 4 * math.cos(STEP) ** 2),  # for central differences; the limit on a fine grid is -0.6
        1e-5,
    ),
    "phase_alignment": (run_of(np.cos(3 * X), np.cos(3 * X + PHASE)), math.cos(2 * PHASE), 1e-5),
    "coherence": (run_of(np.cos(X) + np.cos(6 * Y), np.sin(X) - np.cos(6 * Y)), 0.5, 1e-5),
}


def test_every_feature_has_a_known_value() -> None:
    assert list(KNOWN) == list(FEATURES)


@pytest.mark.parametrize("name", KNOWN)
def test_known_value(name: str) -> None:
    run, expected, tolerance = KNOWN[name]
    assert features_of(run)[name] == pytest.approx(expected, abs=tolerance)


def test_degenerate_runs_are_finite() -> None:
    check_degenerate(lambda run: compute(run).abs().amax(1), len(FEATURES))
    assert compute(Run(noise((3, 5, 2, 17, 24)))).shape == (3, 5, len(FEATURES))


def test_rows_are_independent() -> None:
    check_rows(mean_over_frames)


@pytest.mark.parametrize("channels", [2, 3])
def test_correlations_agree_with_numpy(channels: int) -> None:
    mixing = noise((channels, channels), 1)
    frames = torch.einsum("ij,rtjhw->rtihw", mixing, noise((1, 2, channels, 17, 24)))
    result = compute(Run(frames))[0]
    for t, flat in enumerate(frames[0].flatten(2).double().numpy()):
        share = np.linalg.eigvalsh(np.cov(flat, bias=True))
        correlation = np.corrcoef(flat)
        ratio = np.linalg.eigvalsh(correlation)
        upper = correlation[np.triu_indices(channels, 1)]
        energy = np.square(flat).mean(1)
        expected = [
            share[-1] / share.sum(),
            ratio.sum() ** 2 / np.square(ratio).sum(),
            math.log(energy.max() / energy.min()),
            upper.mean(),
        ]
        np.testing.assert_allclose(result[t, :4], expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(6, 8), (5, 7), (1, 12)])
def test_shifts_agree_with_rolling(shape: tuple[int, int]) -> None:
    frames = noise((1, 1, 2, *shape)) + 0.5
    a, b = frames[0, 0].double().numpy()
    shifts = [np.roll(b, (down, right), (0, 1)) for down in range(shape[0]) for right in range(shape[1])]
    correlations = [np.corrcoef(a.ravel(), shifted.ravel())[0, 1] for shifted in shifts]
    result = features_of(Run(frames))
    assert result["correlation_max"] == pytest.approx(max(correlations), abs=1e-5)
    assert result["correlation_min"] == pytest.approx(min(correlations), abs=1e-5)


def test_mutual_information_agrees_with_counting() -> None:
    fields = noise((2, 3000)).double()
    fields[1] = fields[0].square() + 0.3 * fields[1]
    fields = (fields - fields.mean(1, keepdim=True)) / fields.std(1, correction=0, keepdim=True)
    edges = [-np.inf, *EDGES, np.inf]
    counts = np.histogram2d(*np.digitize(fields.numpy(), edges), bins=range(1, 10))[0]
    share = counts / counts.sum()
    independent = np.outer(share.sum(1), share.sum(0))
    information = (share[share > 0] * np.log(share[share > 0] / independent[share > 0])).sum()
    bias = ((share > 0).sum() - 8 - 8 + 1) / (2 * 3000)
    result = mutual_information(fields[None].float()).item()
    assert result == pytest.approx(math.sqrt(1 - math.exp(-2 * (information - bias))), abs=1e-5)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6, 0.9])
def test_mutual_information_of_gaussians_is_nearly_their_correlation(correlation: float) -> None:
    a, b = noise((1, 20, 2, SIDE, SIDE), 2).unbind(2)
    frames = torch.stack([a, correlation * a + math.sqrt(1 - correlation**2) * b], 2)
    result = features_of(Run(frames))
    assert result["mutual_information"] == pytest.approx(correlation, abs=0.04)
    assert result["correlation_mean"] == pytest.approx(correlation, abs=0.01)


@pytest.mark.parametrize("shape", [(17, 24), (16, 15), (1, 40)])
def test_spectral_features_agree_with_complete_spectra(shape: tuple[int, int]) -> None:
    a, b = noise((2, *shape)).double().numpy()
    b = a + 0.7 * b
    n_y, n_x = np.meshgrid(*(np.fft.fftfreq(size, 1 / size) for size in shape), indexing="ij")
    length = np.hypot(n_y, n_x)
    first, second = np.fft.fft2(a), np.fft.fft2(b)
    cross = np.conj(first) * second
    shared, weight = [], []
    for s in range(6):
        shell = (length >= 2**s) & (length < 2 ** (s + 1))
        power = np.square(np.abs(first[shell])).sum() * np.square(np.abs(second[shell])).sum()
        if power > 0:
            weight.append(math.sqrt(power))
            shared.append(abs(cross[shell].sum()) ** 2 / weight[-1])
    result = features_of(Run(torch.from_numpy(np.stack([a, b]))[None, None].float()))
    assert result["coherence"] == pytest.approx(sum(shared) / sum(weight), abs=1e-5)
    phase = np.angle(cross[length > 0])
    expected = np.average(np.cos(2 * phase), weights=np.square(np.abs(cross[length > 0])))
    assert result["phase_alignment"] == pytest.approx(expected, abs=1e-5)


def test_independent_fields_have_values_near_zero() -> None:
    result = features_of(Run(noise((1, 30, 2, SIDE, SIDE))))
    assert result["eigenvalue_share"] == pytest.approx(0.5, abs=0.02)
    assert result["participation_ratio"] == pytest.approx(2, abs=0.01)
    for name in ("correlation_mean", "gradient_alignment", "phase_alignment"):
        assert result[name] == pytest.approx(0, abs=0.02)
    assert 0.01 < result["mutual_information"] < 0.05
    assert result["coherence"] < 0.02


def test_mutual_information_detects_an_uncorrelated_function_of_the_other_channel() -> None:
    result = features_of(run_of(np.sin(X) + np.sin(2 * Y), np.square(np.sin(X) + np.sin(2 * Y))))
    assert result["correlation_mean"] == pytest.approx(0, abs=1e-5)
    assert result["mutual_information"] > 0.9
    assert result["gradient_alignment"] > 0.99


def test_waves_with_a_phase_difference_of_a_quarter() -> None:
    result = features_of(run_of(np.cos(3 * X + 2 * Y), np.sin(3 * X + 2 * Y)))
    assert result["phase_alignment"] == pytest.approx(-1, abs=1e-5)
    assert result["correlation_mean"] == pytest.approx(0, abs=1e-5)
    assert result["coherence"] == pytest.approx(0, abs=1e-5)
    assert result["correlation_max"] == pytest.approx(1, abs=0.01)


def test_waves_without_a_common_mode() -> None:
    result = features_of(run_of(np.cos(X), np.cos(5 * Y)))
    assert result["gradient_alignment"] == pytest.approx(-1, abs=1e-5)
    for name in ("phase_alignment", "coherence", "correlation_mean", "correlation_max", "correlation_min"):
        assert result[name] == pytest.approx(0, abs=1e-5)


def test_gradients_of_one_dimensional_fields_are_parallel() -> None:
    assert features_of(Run(noise((1, 3, 2, 1, 32))))["gradient_alignment"] == pytest.approx(1, abs=1e-5)


def test_one_channel_has_the_documented_values() -> None:
    result = features_of(Run(noise((2, 4, 1, 16, 16))))
    assert result.pop("eigenvalue_share") == result.pop("participation_ratio") == 1
    assert set(result.values()) == {0.0}


@pytest.mark.parametrize("level", [0.0, 0.7, 1e6])
def test_a_constant_channel_is_uncorrelated_with_others(level: float) -> None:
    frames = noise((1, 3, 2, 16, 16))
    frames[:, :, 1] = level * (1 + 1e-7 * frames[:, :, 0])
    result = features_of(Run(frames))
    assert result["eigenvalue_share"] == pytest.approx(1)
    assert result["participation_ratio"] == pytest.approx(1, abs=1e-5)
    assert [result[name] for name in PAIRS] == [0.0] * len(PAIRS)


def test_features_are_averages_over_pairs_of_channels() -> None:
    frames = noise((1, 3, 3, 16, 20)).cumsum(-1)
    combined = features_of(Run(frames))
    separate = [features_of(Run(frames[:, :, list(pair)])) for pair in combinations(range(3), 2)]
    for name in PAIRS:
        assert combined[name] == pytest.approx(np.mean([result[name] for result in separate]), abs=1e-5), name


def test_mutual_information_is_that_of_each_pair_in_each_frame() -> None:
    unit = noise((2, 3, 400))
    unit[0, 2] = unit[0, 0]
    together = mutual_information(unit)
    for number, pair in enumerate(combinations(range(3), 2)):
        torch.testing.assert_close(together[:, number], mutual_information(unit[:, list(pair)])[:, 0])
    assert together[0].argmax() == 1


def test_the_scale_of_a_channel_changes_only_energy_features() -> None:
    frames = noise((1, 3, 2, 16, 20)).cumsum(-1)
    plain = compute(Run(frames))
    for scale in (1e-15, 1e4):
        scaled = compute(Run(frames * torch.tensor([1.0, scale])[:, None, None]))
        torch.testing.assert_close(scaled[..., 3:], plain[..., 3:], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(compute(Run(1e-15 * frames)), plain, rtol=1e-4, atol=1e-4)


def test_no_two_features_are_redundant() -> None:
    """Features of two channels could easily be functions of each other."""
    strength, mix = torch.rand((2, 200, 1, 1, 1), generator=torch.Generator().manual_seed(3))
    a, b = noise((200, 1, 2, 16, 16), 4).cumsum(-1).unbind(2)
    frames = torch.stack([a, (2 * mix - 1) * a.roll(2, -1) + strength * (b + 0.3 * a.square())], 2)
    table = compute(Run(frames))[:, 0].double().numpy()
    correlation = np.abs(np.corrcoef(table.T)) - np.eye(len(cross_channel.FEATURES))
    assert correlation.max() < 0.99
