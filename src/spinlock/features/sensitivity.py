"""The sensitivity group: growth of small perturbations, and the response to scaled inputs.

    lambda(epsilon) = log(|delta(n)| / |delta(0)|) / n,   delta(n) = perturbed(n) - base(n)

is the finite-size Lyapunov exponent (Aurell et al. 1997) with delta(0) = epsilon rms(u0) xi. n is the number of probe
steps in which delta stays above rounding noise. All probe runs use the same realization of the noise, and norms are
over all channels and points. The scaled inputs are c u0.

Letters: ``R`` runs, ``E`` epsilons, ``G`` scales, ``S`` steps of a probe, ``N`` = C H W values of a state, ``F``
features.
"""

import math

import torch
from torch import Tensor

from spinlock.features.run import Probes, Run
from spinlock.features.signals import safe_divisor

FEATURES = {
    "lyapunov_small": "finite-size Lyapunov exponent of the smallest epsilon; 1/frame; 0 if delta is rounding noise",
    "lyapunov_medium": "finite-size Lyapunov exponent of the middle epsilon; 1/frame",
    "lyapunov_large": "finite-size Lyapunov exponent of the largest epsilon; 1/frame",
    "transient_growth": "log of the maximum over the initial |delta| of the middle epsilon; 0 to 20",
    "contraction": "fraction of the probe steps in which |delta| decreases, mean over the epsilons; 0 to 1",
    "linear_response_r2": "fraction of the energy of the last delta of the largest epsilon that is explained by a "
    "multiple of the last delta of the middle epsilon; 0 to 1",
    "localization": "log of the kurtosis <delta^4> / <delta^2>^2 over space of the last delta of the middle epsilon; "
    "0 (constant |delta|) to log N",
    "gain_half": "log(|F(u0 / 2)| / |F(u0) / 2|) for the map F of all probe steps; 0 for linear operators; -10 to 10",
    "gain_double": "log(|F(2 u0)| / |2 F(u0)|) for the map F of all probe steps; 0 for linear operators; -10 to 10",
    "linearity_r2": "fraction of the energy of F(c u0) that is explained by a multiple of F(u0), mean over the scales "
    "c; 0 to 1",
}

EPSILONS, SCALES = 3, 2
"""Required numbers of epsilons and scales; each must be in ascending order."""

ROUNDING = 1e-6
"""Size of rounding noise relative to the root mean square of the state."""

MAX_CONTRACTION_RATIO = 1 - 1e-3
"""delta decreases in a step if its ratio to the previous step is below this; the margin covers rounding in float32."""

MIN_SIZE, MAX_GAIN, MAX_GROWTH = 1e-15, 10.0, 20.0
"""Minimum norm, maximum absolute log gain and maximum absolute log growth."""


def compute(run: Run) -> Tensor:
    """Return the features, [R, F].

    Raises
    ------
    ValueError
        The run has no probes, or the number of epsilons or scales is not the required one.
    """
    probes = run.probes
    if probes is None:
        raise ValueError("the sensitivity group needs the probes of a run; leave the group out if there are none")
    if (len(probes.epsilons), len(probes.scales)) != (EPSILONS, SCALES):
        raise ValueError(
            f"the sensitivity group needs {EPSILONS} epsilons and {SCALES} scales, "
            f"got {len(probes.epsilons)} and {len(probes.scales)}"
        )
    return torch.stack([*_perturbation_features(probes), *_scaling_features(probes)], -1)


def _perturbation_features(probes: Probes) -> list[Tensor]:
    """Return the features of the perturbed runs, [R] each."""
    base = probes.base.flatten(2)[:, None]  # [R, 1, S + 1, N]
    delta = probes.perturbed.flatten(3) - base
    size = _rms(delta)  # [R, E, S + 1]
    noise = (ROUNDING * _rms(base)).clamp_min(MIN_SIZE)
    is_above = (size > noise)[..., 1:]
    num_steps = is_above.long().cumprod(-1).sum(-1).clamp_min(1)  # n of each perturbed run, at least one step
    size = torch.maximum(size, noise)
    last = size.gather(-1, num_steps[..., None]).squeeze(-1)
    exponents = ((last / size[..., 0]).log() / num_steps).clamp(-MAX_GROWTH, MAX_GROWTH)
    growth = (size / size[..., :1]).log().amax(-1)[:, 1].clamp(0, MAX_GROWTH)
    shrinks = (size[..., 1:] < MAX_CONTRACTION_RATIO * size[..., :-1]) | ~is_above
    contraction = (shrinks & (size[..., :1] > noise[..., :1])).float().mean((-2, -1))

    step = num_steps[:, 1, None, None].expand(-1, 1, delta.shape[-1])
    medium, large = (delta[:, number].gather(1, step).squeeze(1) for number in (1, 2))
    is_measurable = is_above[:, 1, 0]
    response = torch.where(is_measurable, _r2(large, medium), 0.0)
    localization = torch.where(is_measurable, _unit(medium).pow(4).mean(-1).clamp_min(1).log(), 0.0)
    return [*exponents.unbind(-1), growth, contraction, response, localization]


def _scaling_features(probes: Probes) -> list[Tensor]:
    """Return the features of the runs from scaled inputs, [R] each."""
    reference = probes.base[:, -1].flatten(1)
    gains, fractions = [], []
    for number, scale in enumerate(probes.scales):
        response = probes.scaled[:, number, -1].flatten(1)
        ratio = _rms(response).clamp_min(MIN_SIZE) / (scale * _rms(reference)).clamp_min(MIN_SIZE)
        gains.append(ratio.log().clamp(-MAX_GAIN, MAX_GAIN))
        fractions.append(_r2(response, reference))
    return [*gains, torch.stack(fractions).mean(0)]


def _rms(values: Tensor) -> Tensor:
    """Return the root mean square over the last axis, [...]."""
    size: Tensor = torch.linalg.vector_norm(values, dim=-1)
    return size / math.sqrt(values.shape[-1])


def _unit(values: Tensor) -> Tensor:
    """Return the values [..., N] divided by their root mean square; 0 stays 0."""
    return values / safe_divisor(_rms(values))[..., None]


def _r2(first: Tensor, second: Tensor) -> Tensor:
    """Return the squared cosine between two fields [..., N], [...]; 0 if one of them is 0."""
    return (_unit(first) * _unit(second)).mean(-1).square().clamp(0, 1)
