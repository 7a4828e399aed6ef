"""Spectral features of waves, white noise and fields of known power."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from spinlock.features import spatial, spectral
from spinlock.features.run import Run
from tests.features.signals import check_degenerate, check_rows, noise, values
from tests.features.test_spatial import RNG, filtered, plane, squared_wavenumbers, waves


def frame_features(run: Run) -> dict[str, float]:
    return values(lambda run: spectral.compute(run).mean(1), spectral.FEATURES, run)


SIDE = 32
WHITE = Run(noise((4, 50, 1, SIDE, SIDE)))
SHARES = {1: 0.4, 2: 0.3, 4: 0.2, 6: 0.06, 10: 0.04}
CHORD = waves([(k, 0, math.sqrt(share)) for k, share in SHARES.items()])
MEAN = sum(k * share for k, share in SHARES.items())
SPREAD = math.sqrt(sum((k - MEAN) ** 2 * share for k, share in SHARES.items()))
SHELL = np.sqrt(squared_wavenumbers(64, 64)).round()
STEEP = plane(filtered(np.where(SHELL > 0, np.maximum(SHELL, 1) ** -3.0, 0.0), RNG))

KNOWN: dict[str, tuple[Run, float, float]] = {
    **{
        f"band_{low:.0f}_{high:.0f}": (CHORD, math.log10(share), 1e-5)
        for (low, high), share in zip(pairwise(spectral.EDGES), SHARES.values(), strict=True)
    },
    "centroid": (CHORD, math.log2(MEAN), 1e-5),
    "bandwidth": (CHORD, SPREAD / MEAN, 1e-5),
    "rolloff": (CHORD, math.log2(5.5 + 0.05 / 0.06), 1e-4),
    "slope": (STEEP, -3.0, 1e-3),
    "flatness": (WHITE, -np.euler_gamma / math.log(10), 0.01),
    "entropy": (WHITE, 1 - (1 - np.euler_gamma) / math.log(SIDE**2), 0.001),
    "dominant_wavenumber": (waves([(4, 0, 1.0), (9, 9, 1.2)]), math.log2(13), 1e-5),
    "dominant_share": (CHORD, 0.4, 1e-5),
    "anisotropy": (waves([(1, 0, 1.0), (0, 3, 2.0)]), 3 / 5, 1e-5),
}


def test_every_feature_has_a_known_value() -> None:
    assert list(KNOWN) == list(spectral.FEATURES)


@pytest.mark.parametrize("name", KNOWN)
def test_known_value(name: str) -> None:
    run, expected, tolerance = KNOWN[name]
    assert frame_features(run)[name] == pytest.approx(expected, abs=tolerance)


def test_degenerate_runs_are_finite() -> None:
    check_degenerate(lambda run: spectral.compute(run).abs().amax(1), len(spectral.FEATURES))


def test_rows_are_independent() -> None:
    check_rows(lambda run: spectral.compute(run).mean(1))


def test_frames_are_independent_and_channels_are_averaged() -> None:
    frames = noise((1, 3, 2, 17, 24)) * torch.tensor([1.0, 100.0])[:, None, None]
    combined = spectral.compute(Run(frames))
    for t in range(3):
        separate = [spectral.compute(Run(frames[:, t : t + 1, c : c + 1])) for c in range(2)]
        torch.testing.assert_close(combined[:, t : t + 1], sum(separate) / 2, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(16, 16), (17, 24), (24, 17), (15, 15), (1, 48), (1, 33), (2, 2)])
def test_the_power_of_all_modes_is_the_variance(shape: tuple[int, int]) -> None:
    run = Run(3 + noise((1, 2, 1, *shape)))
    weight = spectral.half_spectrum(run.frames)[0]
    power = run.spectrum.abs().square().flatten(-2) @ weight
    torch.testing.assert_close(power, run.frames.var((-2, -1), correction=0), rtol=1e-4, atol=0)
    (shares,) = spectral.mode_fractions(run)
    torch.testing.assert_close(shares.sum(-1), torch.ones(2, 1), rtol=1e-5, atol=0)
    assert weight.sum() == math.prod(shape) - 1


@pytest.mark.parametrize("shape", [(16, 16), (17, 24), (1, 33)])
def test_features_agree_with_a_loop_over_the_full_spectrum(shape: tuple[int, int], rng: np.random.Generator) -> None:
    u = rng.standard_normal(shape)
    power = np.abs(np.fft.fft2(u)) ** 2
    power[0, 0] = 0
    power /= power.sum()
    shell_sum: dict[int, float] = {}
    shell_count: dict[int, int] = {}
    band = dict.fromkeys(pairwise(spectral.EDGES), 0.0)
    angle = 0j
    for (i, j), p in np.ndenumerate(power):
        if i == j == 0:
            continue
        k_y, k_x = (n - size if 2 * n > size else n for n, size in zip((i, j), shape, strict=True))
        radius = math.hypot(k_y, k_x)
        shell_sum[round(radius)] = shell_sum.get(round(radius), 0.0) + p
        shell_count[round(radius)] = shell_count.get(round(radius), 0) + 1
        band[next(edges for edges in band if edges[0] <= radius < edges[1])] += p
        turn = complex(k_x, k_y) ** 2 / radius**2
        # At the largest wavenumber of an even grid, k and -k are one mode, so k_x k_y has no sign.
        angle += p * (turn.real if 2 * abs(k_y) == shape[0] or 2 * abs(k_x) == shape[1] else turn)
    name = frame_features(plane(u))
    for (low, high), share in band.items():
        assert name[f"band_{low:.0f}_{high:.0f}"] == pytest.approx(math.log10(share), abs=1e-4)
    mean = sum(k * share for k, share in shell_sum.items())
    variance = sum((k - mean) ** 2 * share for k, share in shell_sum.items())
    assert name["centroid"] == pytest.approx(math.log2(mean), abs=1e-4)
    assert name["bandwidth"] == pytest.approx(math.sqrt(variance) / mean, abs=1e-4)
    assert name["dominant_wavenumber"] == pytest.approx(math.log2(max(shell_sum, key=lambda k: shell_sum[k])), abs=1e-5)
    assert name["dominant_share"] == pytest.approx(max(shell_sum.values()), abs=1e-5)
    assert name["anisotropy"] == pytest.approx(abs(angle), abs=1e-4)
    p = power.ravel()[1:]
    assert name["flatness"] == pytest.approx(np.log10(p / p.mean()).mean(), abs=1e-4)
    assert name["entropy"] == pytest.approx(-(p * np.log(p)).sum() / math.log(len(p)), abs=1e-4)
    k = np.arange(1, min(size // 2 for size in shape if size > 1) + 1)
    density = [math.log(shell_sum[n] / shell_count[n]) for n in k]
    assert name["slope"] == pytest.approx(np.polyfit(np.log(k), density, 1, w=k**-0.5)[0], abs=1e-4)


def test_white_noise_has_a_flat_isotropic_spectrum() -> None:
    name = frame_features(WHITE)
    assert name["slope"] == pytest.approx(0, abs=0.1)
    assert name["anisotropy"] < 0.05


def test_a_wave_has_the_same_wavenumber_on_all_grids() -> None:
    sizes = [(16, 16), (32, 32), (64, 64), (17, 24)]
    per_grid = {"flatness", "entropy", "slope"}  # these depend on the number of modes
    first, *others = (frame_features(waves([(4, 0, 1.0), (2, 2, 0.5)], size)) for size in sizes)
    for other in others:
        for name in first.keys() - per_grid:
            assert other[name] == pytest.approx(first[name], abs=1e-4), name


def test_white_noise_of_two_grids_has_the_same_units() -> None:
    coarse, fine = (spectral.compute(Run(noise((1, 400, 1, side, side)))) for side in (16, 48))
    names = list(spectral.FEATURES)
    shares = [10 ** frames[0, :, names.index("band_1_2")].double() for frames in (coarse, fine)]
    # 8 modes have 1 <= |k| < 2 on every grid.
    assert shares[0].mean().item() == pytest.approx(8 / (16**2 - 1), rel=0.1)
    assert shares[1].mean().item() == pytest.approx(8 / (48**2 - 1), rel=0.1)
    for name in ("centroid", "rolloff"):
        ratio = (fine - coarse)[0, :, names.index(name)].mean().item()
        assert ratio == pytest.approx(math.log2(48 / 16), abs=0.05)


def test_a_shifted_field_has_the_same_features(rng: np.random.Generator) -> None:
    u = filtered(1 / (1 + squared_wavenumbers(24, 32)), rng) * 100
    original, shifted = (spectral.compute(plane(field)) for field in (u, np.roll(u, (5, 11), (0, 1))))
    torch.testing.assert_close(original, shifted, rtol=1e-4, atol=1e-4)


def test_stripes_are_anisotropic_in_any_direction() -> None:
    for k_x, k_y in ((3, 0), (0, 3), (2, 2), (2, -2), (5, 1)):
        assert frame_features(waves([(k_x, k_y, 1.0)]))["anisotropy"] == pytest.approx(1, abs=1e-5)
    assert frame_features(waves([(3, 0, 1.0), (0, 5, 1.0)]))["anisotropy"] == pytest.approx(0, abs=1e-5)


def test_rounding_noise_counts_as_constant() -> None:
    name = frame_features(Run(0.7 + 1e-6 * noise((2, 3, 1, 16, 16))))
    assert {name.pop(key) for key in list(name) if key.startswith("band_")} == {-6.0}
    assert set(name.values()) == {0.0}


def test_no_two_features_are_redundant(rng: np.random.Generator) -> None:
    """The features of both groups, on fields of many slopes, scales, directions and contrasts."""
    fields = []
    for _ in range(300):
        slope, scale, stretch = rng.uniform(0, 4), 2 ** rng.uniform(0, 3), 2 ** rng.uniform(-2, 2)
        rows, columns = np.fft.fftfreq(32, 1 / 32)[:, None] * stretch, np.fft.fftfreq(32, 1 / 32)
        radius = np.hypot(rows, columns)
        u = filtered(radius ** rng.integers(0, 3) / (1 + (radius / scale) ** (2 + slope)), rng)
        u = np.sinh(rng.uniform(0.01, 2) * u / u.std()) + rng.uniform(-2, 2)
        fields.append(u * 10 ** rng.uniform(-1, 1))
    run = Run(torch.from_numpy(np.stack(fields)).float()[:, None, None])
    table = torch.cat([spatial.compute(run), spectral.compute(run)], -1)[:, 0]
    repeated = torch.corrcoef(table.T.double()).fill_diagonal_(0).abs()
    assert repeated.max() < 0.9995
