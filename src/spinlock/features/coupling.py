"""Who leads whom: lagged correlations and transfer entropies between sub-regions and between channels.

Sub-regions are the points of the run's sub-grid, and those a sixteenth of the domain beside them along x and y; what is
estimated is pooled over the points. Asymmetries compare i -> j with j -> i.

    transfer entropy i -> j = I(x_j(t + 1); x_i(t) | x_j(t))    (Schreiber 2000), in three states of each signal,
below, at and above its mean (by 0.43 standard deviations: thirds of a Gaussian), given as the correlation that
two Gaussians would need for as much information, (1 - exp(-2 I))^0.5 (Linfoot 1957).

Part of the causality group. Letters: ``R`` runs, ``C`` channels, ``P`` points, ``T`` frames, ``F`` features.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.features.run import Run
from spinlock.features.signals import entropy, moving, moving_points, standardized

LAGS = 8
"""Frames by which one signal may lead another."""

STATES = 3
THIRD = 0.43
"""A Gaussian is within 0.43 standard deviations of its mean a third of the time."""

FEATURES = {
    "lag_asymmetry_x": "mean over lags 1 to 8 of r^2(point leads the one beside it along x) - r^2(it follows); -1 to 1",
    "lag_asymmetry_y": "the same along y; 0 for H = 1",
    "lagged_coupling": "largest |r| between a point and the one beside it at lags 1 to 8, mean over points; 0 to 1",
    "channel_lag_asymmetry": "mean over lags 1 to 8 and channels i < j of r^2(i leads j) - r^2(j leads i) at the same "
    "points; -1 to 1; 0 for C = 1",
    "channel_lagged_coupling": "largest |r| between channels at lags 1 to 8, mean over pairs and points; 0 to 1; "
    "0 for C = 1",
    "transfer_entropy": "between a point and the one beside it, mean over the directions +x, -x, +y, -y; 0 to 0.94; "
    "about 0.1 for independent ones at T = 64",
    "transfer_asymmetry_x": "transfer entropy toward +x less that toward -x; -1 to 1",
    "transfer_asymmetry_y": "transfer entropy toward +y less that toward -y; -1 to 1; 0 for H = 1",
    "channel_transfer_entropy": "between channels at the same points, mean over ordered pairs; 0 to 0.94; 0 for C = 1",
    "channel_transfer_asymmetry": "mean over channels i < j of transfer entropy i -> j less j -> i; -1 to 1; "
    "0 for C = 1",
}


@dataclass(frozen=True)
class Coupling:
    """Between two sets of signals, mean over channels or pairs, [R] each.

    ``asymmetry`` and ``strength`` of the lagged correlations, ``forward`` and ``backward`` transfer entropy.
    """

    asymmetry: Tensor
    strength: Tensor
    forward: Tensor
    backward: Tensor

    @classmethod
    def between(cls, first: Tensor, second: Tensor) -> "Coupling":
        """Of standardized signals [R, C, P, T]."""
        states = _states(first), _states(second)
        return cls(
            lag_asymmetry(first, second),
            lagged_coupling(first, second),
            transfer_entropy(*states).mean(1),
            transfer_entropy(*reversed(states)).mean(1),
        )


def compute(run: Run) -> Tensor:
    """[R, F], averaged over channels or their pairs."""
    points = standardized(moving_points(run))
    x = Coupling.between(points, standardized(moving(run.shifted_points(0, 1), run)))
    none = torch.zeros_like(x.strength)
    y = channel = Coupling(none, none, none, none)
    axes = [x]
    if run.frames.shape[-2] > 1:
        y = Coupling.between(points, standardized(moving(run.shifted_points(1, 0), run)))
        axes.append(y)
    if run.frames.shape[2] > 1:
        channel = Coupling.between(*_channel_pairs(points))
    columns = (
        x.asymmetry,
        y.asymmetry,
        torch.stack([axis.strength for axis in axes]).mean(0),
        channel.asymmetry,
        channel.strength,
        torch.stack([axis.forward + axis.backward for axis in axes]).mean(0) / 2,
        x.forward - x.backward,
        y.forward - y.backward,
        (channel.forward + channel.backward) / 2,
        channel.forward - channel.backward,
    )
    return torch.stack(columns, -1)


def _channel_pairs(points: Tensor) -> tuple[Tensor, Tensor]:
    """Channels i and j of each pair i < j, [R, pairs, P, T] each."""
    channels = points.shape[1]
    first, second = torch.triu_indices(channels, channels, 1, device=points.device)
    return points[:, first], points[:, second]


def lag_asymmetry(first: Tensor, second: Tensor) -> Tensor:
    """Mean over lags and channels of r^2(first leads) - r^2(second leads), [R], of standardized signals."""
    leads, follows = (pair.mean(-2) for pair in (_leading(first, second), _leading(second, first)))
    return (leads.square() - follows.square()).mean((-2, -1))


def lagged_coupling(first: Tensor, second: Tensor) -> Tensor:
    """Mean over points and pairs of the largest |r| at any lag and in either order, [R]."""
    either = torch.cat([_leading(first, second), _leading(second, first)], -1)
    return either.abs().amax(-1).mean((-2, -1))


def _leading(first: Tensor, second: Tensor) -> Tensor:
    """r at lags 1 to 8 of ``first`` before ``second``, [R, C, P, lags]; 0 at lags that T is too short for."""
    frames = first.shape[-1]
    correlations = [
        (first[..., : max(frames - lag, 0)] * second[..., lag:]).sum(-1) / frames for lag in range(1, LAGS + 1)
    ]
    return torch.stack(correlations, -1)


def _states(signal: Tensor) -> Tensor:
    """0, 1 or 2: below, at or above the mean."""
    return (signal > -THIRD).long() + (signal > THIRD).long()


def transfer_entropy(source: Tensor, target: Tensor) -> Tensor:
    """Of I = H(a | b) - H(a | b, c), [R, C], from states [R, C, P, T]; counts are pooled over points.

    a and b are the target's states after and before, c the source's.
    """
    if source.shape[-1] < 2:
        return source.new_zeros(source.shape[:2], dtype=torch.float32)
    after = _indicators(target[..., 1:], STATES)
    before = _indicators(STATES * target[..., :-1] + source[..., :-1], STATES * STATES)
    counts = after.transpose(-2, -1) @ before  # exact in float32: whole numbers
    share = (counts.double() / after.shape[-2]).view(*counts.shape[:-1], STATES, STATES)  # [R, C, a, b, c]
    uncertain = entropy(share.sum(-1).flatten(2)) - entropy(share.sum((-3, -1)))  # H(a | b)
    known = uncertain - entropy(share.flatten(2)) + entropy(share.sum(-3).flatten(2))  # less H(a | b, c)
    return (-torch.expm1(-2 * known.clamp_min(0))).sqrt().to(torch.float32)


def _indicators(states: Tensor, count: int) -> Tensor:
    """[R, C, P T, count], 1 at the state and 0 elsewhere."""
    return (states.flatten(-2)[..., None] == torch.arange(count, device=states.device)).float()
