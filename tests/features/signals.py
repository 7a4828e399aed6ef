"""Runs with known behavior, degenerate runs, and checks for every group of features.

Letters: ``R`` runs, ``T`` frames, ``C`` channels, ``H`` x ``W`` points.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.features.run import MAX_SIZE, Probes, Run

Floats = NDArray[np.float64]
SIDE = 16
EPSILONS, SCALES = (1e-3, 1e-2, 1e-1), (0.5, 2.0)


def values(compute: Callable[[Run], Tensor], names: dict[str, str], run: Run) -> dict[str, float]:
    """{name: mean over the runs} of each feature."""
    return dict(zip(names, compute(run).double().mean(0).tolist(), strict=True))


def uniform(series: Floats) -> Run:
    """u(x, t) = series(t): [T] or [R, T]."""
    frames = torch.from_numpy(np.atleast_2d(series)).float()[:, :, None, None, None]
    return Run(frames.expand(-1, -1, 1, SIDE, SIDE).contiguous())


def with_energy(course: Floats) -> Run:
    """A fixed pattern of mean 0 whose energy E(t) is exp(course(t)): [T] or [R, T]."""
    pattern = np.sqrt(2) * np.sin(2 * np.pi * (np.arange(SIDE) + 0.5) / SIDE)
    amplitude = np.exp(np.atleast_2d(course) / 2)[:, :, None, None, None]
    return Run(torch.from_numpy(amplitude * np.broadcast_to(pattern, (SIDE, SIDE))).float())


def blocks(signals: Floats) -> Run:
    """Fields of 4 x 4 (or 1 x 4) uniform blocks with the values of ``signals`` [R, T, C, 4 or 1, 4]."""
    fields = signals.repeat(SIDE // 4, -1)
    return Run(torch.from_numpy(fields if signals.shape[-2] == 1 else fields.repeat(SIDE // 4, -2)).float())


def traveling(velocity: tuple[float, float], modes: list[tuple[int, int]], frames: int, shape: tuple[int, int]) -> Run:
    """Sum over modes (n_x, n_y) of cos(2 pi n . (x - v t) + n_x), with x and v = (v_x, v_y) in domain lengths."""
    y, x = np.meshgrid(*(np.arange(size) / size for size in shape), indexing="ij")
    time = np.arange(frames)[:, None, None]
    fields = sum(
        np.cos(2 * np.pi * (n_x * (x - velocity[0] * time) + n_y * (y - velocity[1] * time)) + n_x)
        for n_x, n_y in modes
    )
    return Run(torch.from_numpy(np.asarray(fields))[None, :, None].float())


def orbit(period: int, frames: int) -> Run:
    """One wave that travels through the periodic domain in ``period`` frames: a circle in the space of fields."""
    return traveling((1 / period, 0.0), [(1, 0)], frames, (SIDE, SIDE))


def autoregressive(weights: list[float], shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """x(t) = sum_l weights(l) x(t - l) + noise [T, ...], independent along all axes except the first."""
    series = rng.standard_normal((shape[0] + 200, *shape[1:]))
    for t in range(len(weights), len(series)):
        series[t] += sum(weight * series[t - 1 - lag] for lag, weight in enumerate(weights))
    return series[200:]


def noise(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def probed(frames: Tensor) -> Run:
    """A run, with probes of a weakly nonlinear operator that start at its first frame."""

    def roll(start: Tensor) -> Tensor:
        states = [start]
        for _ in range(8):
            states.append(0.9 * states[-1].roll(1, -1) + 0.3 * (states[-1] / (1 + states[-1].abs())))
        return torch.stack(states, -4)

    first = frames[:, 0]
    size = first.square().mean((-3, -2, -1), keepdim=True).sqrt().clamp_min(1e-6)
    twin = size * noise(first.shape[1:], 9)
    perturbed = torch.stack([roll(first + epsilon * twin) for epsilon in EPSILONS], 1)
    scaled = torch.stack([roll(scale * first) for scale in SCALES], 1)
    return Run(frames, Probes(roll(first), perturbed, EPSILONS, scaled, SCALES))


def degenerate() -> dict[str, Tensor]:
    """Frames that can lead to division by zero, overflow or empty sets."""
    field = noise((2, 20, 1, 16, 16))
    spike = torch.zeros(2, 20, 1, 16, 16)
    spike[:, 10, :, 3, 3] = MAX_SIZE
    walk = noise((2, 70, 1, 16, 16)).cumsum(1)
    return {
        **{f"{count} frames": noise((2, count, 1, 16, 16)) for count in (1, 2, 3, 4, 5, 8, 9)},
        "zero": torch.zeros(2, 20, 1, 16, 16),
        "zero, one frame": torch.zeros(2, 1, 1, 16, 16),
        "constant": torch.full((2, 20, 1, 16, 16), 0.7),
        "still": field[:, :1].expand(-1, 20, -1, -1, -1).contiguous(),
        "huge": field / field.abs().max() * MAX_SIZE,
        "huge constant": torch.full((2, 20, 1, 16, 16), MAX_SIZE),
        "growing to huge": (1e-30 * torch.logspace(0, 36, 20)[:, None, None, None]).expand(2, 20, 1, 16, 16),
        "tiny": 1e-25 * field,
        "spike": spike,
        "frozen half-way": torch.cat([walk[:, :35], walk[:, 34:35].expand(-1, 35, -1, -1, -1)], 1),
        "one dimension": noise((2, 30, 1, 1, 48)),
        "three channels": noise((2, 30, 3, 16, 20)),
        "one dead channel": noise((2, 30, 2, 17, 24)) * torch.tensor([1.0, 0.0])[:, None, None],
        "long": noise((1, 1000, 1, 16, 16)),
    }


def check_degenerate(compute: Callable[[Run], Tensor], count: int) -> None:
    """Features of every degenerate run are finite, of the right shape, and of moderate size."""
    for name, frames in degenerate().items():
        result = compute(probed(frames))
        assert result.shape == (len(frames), count), name
        assert result.dtype == torch.float32, name
        assert torch.isfinite(result).all(), name
        assert result.abs().max() < 30, name


def check_rows(compute: Callable[[Run], Tensor]) -> None:
    """The features of a run do not depend on the other runs or on its position."""
    walk = noise((5, 40, 2, 16, 18)).cumsum(1) / 5
    frames = torch.stack([walk[0], noise(walk.shape[1:], 1), 1e4 * walk[2], walk[3] * 0 + 1, 1e-4 * walk[4]])
    together = compute(probed(frames))
    order = torch.tensor([3, 0, 4, 2, 1])
    torch.testing.assert_close(compute(probed(frames[order])), together[order], rtol=1e-5, atol=1e-5)
    for row in range(len(frames)):
        torch.testing.assert_close(compute(probed(frames[row : row + 1]))[0], together[row], rtol=1e-5, atol=1e-5)
