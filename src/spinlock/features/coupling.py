"""Lead and lag: lagged correlations and transfer entropies between neighboring points and between channels.

The signals are the time series at a sub-grid of points, and at the same points shifted by a sixteenth of the domain
along x or y (their neighbors). All points contribute to one estimate. An asymmetry is the value for i -> j minus that
for j -> i.

    transfer entropy i -> j = I(x_j(t + 1); x_i(t) | x_j(t))    (Schreiber 2000)

Each signal has three states: below, near and above its mean. The limits are +-0.43 standard deviations, so that the
states of a Gaussian signal have equal probabilities. The information I is converted to the correlation of two Gaussians
with the same mutual information, (1 - exp(-2 I))^0.5 (Linfoot 1957). These features are part of the causality group.

Letters: ``R`` runs, ``C`` channels, ``P`` points, ``T`` frames, ``F`` features.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from spinlock.features.run import Run
from spinlock.features.signals import entropy, fluctuations, point_fluctuations, standardized

LAGS = 8
"""Maximum lag in frames."""

STATES = 3
"""Number of states of a signal."""

THIRD = 0.43
"""Half width of the middle state in standard deviations; a Gaussian value is in this state with probability 1/3."""

FEATURES = {
    "lag_asymmetry_x": "mean over lags 1 to 8 of r^2(point leads its neighbor along x) - r^2(point follows); -1 to 1",
    "lag_asymmetry_y": "the same for the neighbor along y; 0 for H = 1",
    "lagged_coupling": "largest |r| between a point and its neighbor at lags 1 to 8, mean over points; 0 to 1",
    "channel_lag_asymmetry": "mean over lags 1 to 8 and channels i < j of r^2(i leads j) - r^2(j leads i) at the same "
    "points; -1 to 1; 0 for C = 1",
    "channel_lagged_coupling": "largest |r| between channels at lags 1 to 8, mean over pairs and points; 0 to 1; "
    "0 for C = 1",
    "transfer_entropy": "transfer entropy between a point and its neighbor, mean over the directions +x, -x, +y, -y; "
    "0 to 0.94; about 0.1 for independent signals at T = 64",
    "transfer_asymmetry_x": "transfer entropy toward +x minus that toward -x; -1 to 1",
    "transfer_asymmetry_y": "transfer entropy toward +y minus that toward -y; -1 to 1; 0 for H = 1",
    "channel_transfer_entropy": "transfer entropy between channels at the same points, mean over ordered "
    "pairs; 0 to 0.94; 0 for C = 1",
    "channel_transfer_asymmetry": "mean over channels i < j of transfer entropy i -> j minus j -> i; -1 to 1; "
    "0 for C = 1",
}


@dataclass(frozen=True)
class Coupling:
    """Coupling between two sets of signals, averaged over channels or pairs of channels, [R] each.

    Parameters
    ----------
    asymmetry, strength
        Asymmetry and maximum of the lagged correlations.
    forward, backward
        Transfer entropy from the first to the second set, and in the other direction.
    """

    asymmetry: Tensor
    strength: Tensor
    forward: Tensor
    backward: Tensor

    @classmethod
    def between(cls, first: Tensor, second: Tensor) -> "Coupling":
        """Compute the coupling between standardized signals [R, C, P, T]."""
        states = _states(first), _states(second)
        return cls(
            lag_asymmetry(first, second),
            lagged_coupling(first, second),
            transfer_entropy(*states).mean(1),
            transfer_entropy(*reversed(states)).mean(1),
        )


def compute(run: Run) -> Tensor:
    """Return the features averaged over channels or pairs of channels, [R, F]."""
    points = standardized(point_fluctuations(run))
    x = Coupling.between(points, standardized(fluctuations(run.shifted_points(0, 1), run)))
    zero = torch.zeros_like(x.strength)
    y = channel = Coupling(zero, zero, zero, zero)
    axes = [x]
    if run.frames.shape[-2] > 1:
        y = Coupling.between(points, standardized(fluctuations(run.shifted_points(1, 0), run)))
        axes.append(y)
    if run.frames.shape[2] > 1:
        channels = points.shape[1]
        first, second = torch.triu_indices(channels, channels, 1, device=points.device)
        channel = Coupling.between(points[:, first], points[:, second])
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


def lag_asymmetry(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean over lags and channels of r^2(first leads) - r^2(second leads), [R], of standardized signals."""
    leads, follows = (pair.mean(-2) for pair in (_leading(first, second), _leading(second, first)))
    return (leads.square() - follows.square()).mean((-2, -1))


def lagged_coupling(first: Tensor, second: Tensor) -> Tensor:
    """Return the mean over points and channels of the largest |r| at any lag and in both orders, [R]."""
    both_orders = torch.cat([_leading(first, second), _leading(second, first)], -1)
    return both_orders.abs().amax(-1).mean((-2, -1))


def _leading(first: Tensor, second: Tensor) -> Tensor:
    """Return r at lags 1 to 8, where ``first`` leads ``second``, [R, C, P, lags]; 0 at lags of T frames or more."""
    frames = first.shape[-1]
    correlations = [
        (first[..., : max(frames - lag, 0)] * second[..., lag:]).sum(-1) / frames for lag in range(1, LAGS + 1)
    ]
    return torch.stack(correlations, -1)


def _states(signal: Tensor) -> Tensor:
    """Return the state of each value: 0 below, 1 near and 2 above the mean."""
    return (signal > -THIRD).long() + (signal > THIRD).long()


def transfer_entropy(source: Tensor, target: Tensor) -> Tensor:
    """Return (1 - exp(-2 I))^0.5 of the transfer entropy I = H(a | b) - H(a | b, c), [R, C].

    a is the next state of the target, b its present state, and c the present state of the source.

    Parameters
    ----------
    source, target
        States [R, C, P, T]; their counts are pooled over points.
    """
    if source.shape[-1] < 2:
        return source.new_zeros(source.shape[:2], dtype=torch.float32)
    following = _indicators(target[..., 1:], STATES)
    present = _indicators(STATES * target[..., :-1] + source[..., :-1], STATES * STATES)
    counts = following.transpose(-2, -1) @ present  # integers, exact in float32
    probability = (counts.double() / following.shape[-2]).view(*counts.shape[:-1], STATES, STATES)  # [R, C, a, b, c]
    uncertainty = entropy(probability.sum(-1).flatten(2)) - entropy(probability.sum((-3, -1)))  # H(a | b)
    information = uncertainty - entropy(probability.flatten(2)) + entropy(probability.sum(-3).flatten(2))
    return (-torch.expm1(-2 * information.clamp_min(0))).sqrt().to(torch.float32)


def _indicators(states: Tensor, count: int) -> Tensor:
    """Return the one-hot encoding of the states, [R, C, P T, count]."""
    return (states.flatten(-2)[..., None] == torch.arange(count, device=states.device)).float()
