"""Initial conditions: random periodic fields with mean zero and a given standard deviation and wave number.

The first three kinds are filtered white noise with a spectrum P(k). P(k) is the mean square of a Fourier mode with wave
number k in cycles per domain, and k0 is the characteristic wave number:

- power_law: P = (1 + (k / k0)^2)^-2, which decreases as k^-4;
- gaussian: P = exp(-(k / k0)^2);
- band_limited: P = 1 for k0 / sqrt 2 <= k <= k0 sqrt 2, else 0.

The other kinds are sums of objects:

- sinusoids: four plane waves with about k0 cycles;
- fronts: the hyperbolic tangent of one plane wave with about k0 / 2 cycles, at least 1;
- blobs: eight Gaussians with random signs;
- spots: the union of eight disks with smooth edges.

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
"""Number of blobs or spots of one field; plane waves use the random numbers of the first four objects."""

FRONT_STEEPNESS = 6.0
"""Factor of the plane wave inside the hyperbolic tangent."""

EDGE = 0.2
"""Width of the edge of a spot, relative to its radius."""


@dataclass(frozen=True)
class InitialDraws:
    """Random numbers of B operators: ``white`` noise [B, M, C, H, W] and ``uniform`` numbers [B, M, C, O, 4]."""

    white: Tensor
    uniform: Tensor

    @classmethod
    def draw(cls, streams: Sequence[np.random.Generator], shape: tuple[int, int, int, int]) -> "InitialDraws":
        """Draw the random numbers of B operators.

        The random numbers of an operator do not depend on its initial condition or on the other operators.

        Parameters
        ----------
        streams
            One generator for each operator.
        shape
            (M, C, H, W).
        """
        white = np.stack([rng.standard_normal(shape, dtype=np.float32) for rng in streams])
        uniform = np.stack([rng.random((*shape[:2], OBJECTS, 4), dtype=np.float32) for rng in streams])
        return cls(torch.from_numpy(white), torch.from_numpy(uniform))

    def to(self, device: torch.device) -> "InitialDraws":
        """Return the same random numbers on a device."""
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
        # The fields are computed for all operators, so that those of one operator do not depend on the other
        # conditions.
        candidates = CONDITIONS[condition](k0, draws)
        selected = torch.tensor([each == condition for each in conditions], device=device).view(-1, 1, 1, 1, 1)
        fields = torch.where(selected, candidates, fields)
    fields = fields - fields.mean((-2, -1), keepdim=True)
    spread = fields.square().mean((-2, -1), keepdim=True).sqrt().clamp_min(1e-12)
    return fields / spread * amplitude.to(device, torch.float32).view(-1, 1, 1, 1, 1)


def _filtered(k0: Tensor, draws: InitialDraws, root: Callable[[Tensor], Tensor]) -> Tensor:
    """Return filtered white noise.

    Parameters
    ----------
    k0
        Characteristic wave numbers, [B, 1, 1, 1, 1].
    draws
        Random numbers of the operators.
    root
        Square root of the spectrum as a function of k / k0.
    """
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
    """Random fields with the modes of one octave around k0."""
    # The limits are slightly wider than the octave, so that rounding does not exclude a mode at a limit.
    return _filtered(k0, draws, lambda ratio: ((ratio > 0.707) & (ratio < 1.415)).to(ratio.dtype))


def _plane_waves(k0: Tensor, uniform: Tensor, size: tuple[int, int]) -> Tensor:
    """Return plane sine waves in random directions, [B, M, C, O, H, W], with rounded wave vectors of length k0."""
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
    """Stripes with steep edges."""
    waves = _plane_waves((k0 / 2).clamp_min(1.0), draws.uniform[..., :1, :], _size(draws))
    return torch.tanh(FRONT_STEEPNESS * waves[..., 0, :, :])


def _square_distance(draws: InitialDraws) -> Tensor:
    """Return the squared periodic distance to the center of each object in domain lengths, [B, M, C, O, H, W]."""
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
    """Unions of eight disks."""
    radius = (0.3 / k0).unsqueeze(-1) * (0.75 + 0.5 * draws.uniform[..., 2, None, None])
    inside = torch.sigmoid((radius - _square_distance(draws).sqrt()) / (EDGE * radius))
    return inside.amax(-3)


def _size(draws: InitialDraws) -> tuple[int, int]:
    """Return the numbers of grid points (H, W)."""
    return draws.white.shape[-2], draws.white.shape[-1]


def _coordinates(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the coordinates x [1, W] and y [H, 1] of the grid points in domain lengths."""
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
"""Function of (k0, draws) for each initial condition; it returns fields that are not normalized yet."""
