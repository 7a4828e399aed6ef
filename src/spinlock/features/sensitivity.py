"""The sensitivity group: what becomes of a small change of the state, from twins that share the run's noise.

    lambda(epsilon) = log(|delta(n)| / |delta(0)|) / n,   delta(n) = twin(n) - base(n)

is the finite-size Lyapunov exponent (Aurell et al. 1997) over the n probe steps in which delta stays above rounding:
delta(0) = epsilon rms(u0) xi. Norms are over all channels and points. Beside it, the answers to scaled inputs c u0.

Letters: ``R`` runs, ``E`` epsilons, ``G`` scales, ``S`` steps of a probe, ``N`` = C H W values of a state, ``F``
features.
"""

import math

import torch
from torch import Tensor

from spinlock.features.run import Probes, Run
from spinlock.features.signals import positive

FEATURES = {
    "lyapunov_small": "finite-size Lyapunov exponent of the smallest epsilon; 1/frame; 0 where no twin differs",
    "lyapunov_medium": "that of the middle epsilon; 1/frame",
    "lyapunov_large": "that of the largest epsilon; 1/frame",
    "transient_growth": "log of the largest over the first |delta| of the middle epsilon; 0 to 20",
    "contraction": "share of the probe steps in which |delta| shrinks, mean over the epsilons; 0 to 1",
    "linear_response_r2": "share of the largest epsilon's last delta that a multiple of the middle one's explains; "
    "0 to 1",
    "localization": "log of the kurtosis <delta^4> / <delta^2>^2 of the middle epsilon's last delta over space; "
    "0 (equally large everywhere) to log N",
    "gain_half": "log(|F(u0 / 2)| / |F(u0) / 2|) after all probe steps F; 0 for linear operators; -10 to 10",
    "gain_double": "log(|F(2 u0)| / |2 F(u0)|) after all probe steps; 0 for linear operators; -10 to 10",
    "linearity_r2": "share of F(c u0) that a multiple of F(u0) explains, mean over the scales c; 0 to 1",
}

EPSILONS, SCALES = 3, 2
"""How many of each the names are for, in ascending order."""

ROUNDING = 1e-6
"""Of the root mean square of the state: a smaller delta is float32's, not the operator's."""

SHRUNK = 1 - 1e-3
"""A delta that lost less than a thousandth in a step did not shrink: that is how well float32 knows a small one."""

SMALLEST, LARGEST_GAIN, LARGEST_GROWTH = 1e-15, 10.0, 20.0


def compute(run: Run) -> Tensor:
    """[R, F].

    Raises:
        ValueError: the run has no probes, or other numbers of them than the features have names for.
    """
    probes = run.probes
    if probes is None:
        raise ValueError("sensitivity needs the probes of a run; leave the group out where there are none")
    if (len(probes.epsilons), len(probes.scales)) != (EPSILONS, SCALES):
        raise ValueError(
            f"sensitivity has names for {EPSILONS} epsilons and {SCALES} scales, "
            f"got {len(probes.epsilons)} and {len(probes.scales)}"
        )
    return torch.stack([*_of_perturbations(probes), *_of_scaling(probes)], -1)


def _of_perturbations(probes: Probes) -> list[Tensor]:
    """The features of the twins, [R] each."""
    base = probes.base.flatten(2)[:, None]  # [R, 1, S + 1, N]
    delta = probes.perturbed.flatten(3) - base
    size = _rms(delta)  # [R, E, S + 1]
    noise = (ROUNDING * _rms(base)).clamp_min(SMALLEST)
    above = (size > noise)[..., 1:]
    lasting = above.long().cumprod(-1).sum(-1).clamp_min(1)  # n of each twin, at least one step
    size = torch.maximum(size, noise)
    last = size.gather(-1, lasting[..., None]).squeeze(-1)
    exponents = ((last / size[..., 0]).log() / lasting).clamp(-LARGEST_GROWTH, LARGEST_GROWTH)
    growth = (size / size[..., :1]).log().amax(-1)[:, 1].clamp(0, LARGEST_GROWTH)
    shrinks = (size[..., 1:] < SHRUNK * size[..., :-1]) | ~above
    contraction = (shrinks & (size[..., :1] > noise[..., :1])).float().mean((-2, -1))

    step = lasting[:, 1, None, None].expand(-1, 1, delta.shape[-1])
    medium, large = (delta[:, twin].gather(1, step).squeeze(1) for twin in (1, 2))
    known = above[:, 1, 0]
    response = torch.where(known, _r2(large, medium), 0.0)
    peaked = torch.where(known, _unit(medium).pow(4).mean(-1).clamp_min(1).log(), 0.0)
    return [*exponents.unbind(-1), growth, contraction, response, peaked]


def _of_scaling(probes: Probes) -> list[Tensor]:
    """The features of the scaled inputs, [R] each."""
    reference = probes.base[:, -1].flatten(1)
    gains, shares = [], []
    for number, scale in enumerate(probes.scales):
        answer = probes.scaled[:, number, -1].flatten(1)
        ratio = _rms(answer).clamp_min(SMALLEST) / (scale * _rms(reference)).clamp_min(SMALLEST)
        gains.append(ratio.log().clamp(-LARGEST_GAIN, LARGEST_GAIN))
        shares.append(_r2(answer, reference))
    return [*gains, torch.stack(shares).mean(0)]


def _rms(values: Tensor) -> Tensor:
    size: Tensor = torch.linalg.vector_norm(values, dim=-1)
    return size / math.sqrt(values.shape[-1])


def _unit(values: Tensor) -> Tensor:
    """Values [..., N] over their root mean square; 0 stays 0."""
    return values / positive(_rms(values))[..., None]


def _r2(first: Tensor, second: Tensor) -> Tensor:
    """Squared cosine of two fields [..., N]; 0 where one of them is 0."""
    return (_unit(first) * _unit(second)).mean(-1).square().clamp(0, 1)
