"""Initial conditions: random periodic fields with mean zero and a given standard deviation and wave number.

The first three kinds are white noise times the square root of a spectrum P(k). P(k) is the mean square of a Fourier
mode with wave number k in cycles per domain, and k0 is the characteristic wave number:

- power_law: P = (1 + (k / k0)^2)^-2, falling as k^-4;
- gaussian: P = exp(-(k / k0)^2);
- band_limited: P = 1 for k0 / sqrt 2 <= k <= k0 sqrt 2, else 0.

The other kinds are sums of objects:

- sinusoids: four plane waves with about k0 cycles;
- fronts: the hyperbolic tangent of one plane wave with k0 / 2 cycles;
- blobs: eight Gaussians of either sign;
- spots: the union of eight discs.

Finally each field is shifted and scaled so that its mean is 0 and its standard deviation is the amplitude.

Letters: ``B`` operators, ``M`` realizations, ``C`` channels, ``H`` x ``W`` grid points, ``O`` objects.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

OBJECTS = 8
"""Number of blobs or spots of one field; plane waves use the numbers of the first four objects."""

FRONT_STEEPNESS = 6.0
"""Factor of the plane wave inside the hyperbolic tangent."""

EDGE = 0.2
"""Width of the edge of a spot over its radius."""


@dataclass(frozen=True)
class InitialDraws:
    """Random numbers of B operators: ``white`` noise [B, M, C, H, W] and ``uniform`` numbers [B, M, C, O, 4]."""

    white: Tensor
    uniform: Tensor

    @classmethod
    def of(cls, streams: Sequence[np.random.Generator], shape: tuple[int, int, int, int]) -> "InitialDraws":
        """Draw the numbers of B operators with one generator each; ``shape`` is (M, C, H, W).

        The numbers of an operator do not depend on its initial condition or on the other operators.
        """
        white = np.stack([rng.standard_normal(shape, dtype=np.float32) for rng in streams])
        uniform = np.stack([rng.random((*shape[:2], OBJECTS, 4), dtype=np.float32) for rng in streams])
        return cls(torch.from_numpy(white), torch.from_numpy(uniform))

    def to(self, device: torch.device) -> "InitialDraws":
        """Return the same numbers on a device."""
        return InitialDraws(self.white.to(device), self.uniform.to(device))


def initial_fields(conditions: Sequence[str], amplitude: Tensor, wavenumber: Tensor, draws: InitialDraws) -> Tensor:
    """Compute the initial fields of B operators.

    Parameters
    ----------
    conditions
        Name of the initial condition of each operator, a key of :data:`CONDITIONS`, [B].
    amplitude
        Standard deviation of each field, [B].
    wavenumber
        Characteristic wave number in cycles per domain, [B].
    draws
        Random numbers of the operators.

    Returns
    -------
    Tensor
        Fields [B, M, C, H, W] float32 with mean zero.

    Raises
    ------
    KeyError
        A condition is unknown.
    """
    device = draws.white.device
    k0 = wavenumber.to(device, torch.float32).view(-1, 1, 1, 1, 1)
    fields = torch.zeros_like(draws.white)
    for condition in sorted(set(conditions)):
        candidates = CONDITIONS[condition](k0, draws)  # all operators, so that no row depends on the other conditions
        selected = torch.tensor([each == condition for each in conditions], device=device).view(-1, 1, 1, 1, 1)
        fields = torch.where(selected, candidates, fields)
    fields = fields - fields.mean((-2, -1), keepdim=True)
    spread = fields.square().mean((-2, -1), keepdim=True).sqrt().clamp_min(1e-12)
    return fields / spread * amplitude.to(device, torch.float32).view(-1, 1, 1, 1, 1)


def _filtered(k0: Tensor, draws: InitialDraws, root: Callable[[Tensor], Tensor]) -> Tensor:
    """White noise times ``root``, the square root of the spectrum as a function of k / k0."""
    white = draws.white
    height, width = white.shape[-2:]
    ky = torch.fft.fftfreq(height, 1 / height, device=white.device).view(-1, 1)
    kx = torch.fft.rfftfreq(width, 1 / width, device=white.device)
    ratio = torch.sqrt(kx.square() + ky.square()) / k0
    fields: Tensor = torch.fft.irfft2(torch.fft.rfft2(white) * root(ratio), s=(height, width))
    return fields


def _power_law(k0: Tensor, draws: InitialDraws) -> Tensor:
    """Random fields whose spectrum falls as k^-4."""
    return _filtered(k0, draws, lambda ratio: 1 / (1 + ratio.square()))


def _gaussian(k0: Tensor, draws: InitialDraws) -> Tensor:
    """Random fields with a Gaussian spectrum."""
    return _filtered(k0, draws, lambda ratio: torch.exp(-0.5 * ratio.square()))


def _band_limited(k0: Tensor, draws: InitialDraws) -> Tensor:
    """Random fields with the modes of one octave."""
    # The limits are slightly wider than the octave, so that rounding does not exclude a mode on the limit.
    return _filtered(k0, draws, lambda ratio: ((ratio > 0.707) & (ratio < 1.415)).to(ratio.dtype))


def _plane_waves(k0: Tensor, uniform: Tensor, size: tuple[int, int]) -> Tensor:
    """Sine waves [B, M, C, O, H, W] in random directions, with integer wave numbers as close as possible to k0."""
    x, y = _coordinates(size, uniform.device)
    angle = 2 * math.pi * uniform[..., 0]
    kx, ky = torch.round(k0[..., 0] * torch.cos(angle)), torch.round(k0[..., 0] * torch.sin(angle))
    phase = kx[..., None, None] * x + ky[..., None, None] * y + uniform[..., 1, None, None]
    return torch.sin(2 * math.pi * phase)


def _sinusoids(k0: Tensor, draws: InitialDraws) -> Tensor:
    """Weighted sums of four plane waves."""
    uniform = draws.uniform[..., :4, :]
    weights = 0.5 + uniform[..., 2, None, None]
    return (weights * _plane_waves(k0, uniform, _size(draws))).sum(-3)


def _fronts(k0: Tensor, draws: InitialDraws) -> Tensor:
    """Stripes with steep sides."""
    waves = _plane_waves((k0 / 2).clamp_min(1.0), draws.uniform[..., :1, :], _size(draws))
    return torch.tanh(FRONT_STEEPNESS * waves[..., 0, :, :])


def _square_distance(draws: InitialDraws) -> Tensor:
    """Squared periodic distance [B, M, C, O, H, W] to the center of each object, in units of the domain."""
    x, y = _coordinates(_size(draws), draws.uniform.device)
    dx, dy = x - draws.uniform[..., 0, None, None], y - draws.uniform[..., 1, None, None]
    return (dx - dx.round()).square() + (dy - dy.round()).square()


def _blobs(k0: Tensor, draws: InitialDraws) -> Tensor:
    """Sums of eight Gaussians."""
    width = (0.25 / k0).unsqueeze(-1)
    height = 2 * draws.uniform[..., 2, None, None] - 1
    height = height.sign() * (0.5 + 0.5 * height.abs())
    return (height * torch.exp(-0.5 * _square_distance(draws) / width.square())).sum(-3)


def _spots(k0: Tensor, draws: InitialDraws) -> Tensor:
    """Unions of eight discs."""
    radius = (0.3 / k0).unsqueeze(-1) * (0.75 + 0.5 * draws.uniform[..., 2, None, None])
    inside = torch.sigmoid((radius - _square_distance(draws).sqrt()) / (EDGE * radius))
    return inside.amax(-3)


def _size(draws: InitialDraws) -> tuple[int, int]:
    """The numbers of grid points (H, W)."""
    return draws.white.shape[-2], draws.white.shape[-1]


def _coordinates(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Coordinates x [1, W] and y [H, 1] of the grid points, in units of the domain."""
    height, width = size
    return (
        torch.arange(width, device=device, dtype=torch.float32)[None] / width,
        torch.arange(height, device=device, dtype=torch.float32)[:, None] / height,
    )


CONDITIONS: dict[str, Callable[[Tensor, InitialDraws], Tensor]] = {
    "power_law": _power_law,
    "gaussian": _gaussian,
    "band_limited": _band_limited,
    "sinusoids": _sinusoids,
    "blobs": _blobs,
    "fronts": _fronts,
    "spots": _spots,
}
"""Functions of (k0, draws) by the name of the initial condition; they return fields that are not normalized."""
