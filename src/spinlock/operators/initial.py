"""Initial conditions: random periodic fields of zero mean, given standard deviation and characteristic wave number.

Random fields are white noise times the square root of a spectrum P(k), the mean square of a Fourier mode of wave number
k (cycles per domain), k0 the characteristic one:

- power_law: P = (1 + (k / k0)^2)^-2, falling as k^-4;
- gaussian: P = exp(-(k / k0)^2);
- band_limited: P = 1 for k0 / sqrt 2 <= k <= k0 sqrt 2, else 0.

sinusoids are four plane waves of about k0 cycles; fronts the hyperbolic tangent of one of k0 / 2 cycles; blobs eight
Gaussians of either sign; spots the union of eight discs. Each field is then shifted and scaled by itself, so that its
mean is 0 and its standard deviation the amplitude, whatever the grid.

Letters: ``B`` operators, ``M`` realizations, ``C`` channels, ``H`` x ``W`` points, ``O`` objects.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

OBJECTS = 8
"""Blobs or spots of one field; the plane waves are the first four."""

FRONT_STEEPNESS = 6.0
EDGE = 0.2
"""Width of a spot's edge over its radius."""


@dataclass(frozen=True)
class InitialDraws:
    """What one block draws: ``white`` noise [B, M, C, H, W] and ``uniform`` numbers [B, M, C, O, 4]."""

    white: Tensor
    uniform: Tensor

    @classmethod
    def of(cls, streams: Sequence[np.random.Generator], shape: tuple[int, int, int, int]) -> "InitialDraws":
        """The draws of B operators with one stream each; ``shape`` is (M, C, H, W).

        An operator draws the same whatever its kind of initial condition, on its own.
        """
        white = np.stack([rng.standard_normal(shape, dtype=np.float32) for rng in streams])
        uniform = np.stack([rng.random((*shape[:2], OBJECTS, 4), dtype=np.float32) for rng in streams])
        return cls(torch.from_numpy(white), torch.from_numpy(uniform))

    def to(self, device: torch.device) -> "InitialDraws":
        """The same on a device."""
        return InitialDraws(self.white.to(device), self.uniform.to(device))


def initial_fields(kinds: Sequence[str], amplitude: Tensor, wavenumber: Tensor, draws: InitialDraws) -> Tensor:
    """Fields [B, M, C, H, W] float32 of B operators: kinds [B], amplitude [B] and wavenumber [B] (cycles per domain).

    Raises:
        KeyError: a kind that is not in :data:`KINDS`.
    """
    device = draws.white.device
    k0 = wavenumber.to(device, torch.float32).view(-1, 1, 1, 1, 1)
    fields = torch.zeros_like(draws.white)
    for kind in sorted(set(kinds)):
        made = KINDS[kind](k0, draws)  # for the whole block, so that a row never depends on its neighbors' kinds
        chosen = torch.tensor([each == kind for each in kinds], device=device).view(-1, 1, 1, 1, 1)
        fields = torch.where(chosen, made, fields)
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
    return _filtered(k0, draws, lambda ratio: 1 / (1 + ratio.square()))


def _gaussian(k0: Tensor, draws: InitialDraws) -> Tensor:
    return _filtered(k0, draws, lambda ratio: torch.exp(-0.5 * ratio.square()))


def _band_limited(k0: Tensor, draws: InitialDraws) -> Tensor:
    # A hair wider than the octave, so that rounding decides nothing.
    return _filtered(k0, draws, lambda ratio: ((ratio > 0.707) & (ratio < 1.415)).to(ratio.dtype))


def _plane_waves(k0: Tensor, uniform: Tensor, size: tuple[int, int]) -> Tensor:
    """Sine waves [B, M, C, O, H, W] of whole numbers of cycles, the nearest to k0 in a random direction."""
    x, y = _coordinates(size, uniform.device)
    angle = 2 * math.pi * uniform[..., 0]
    kx, ky = torch.round(k0[..., 0] * torch.cos(angle)), torch.round(k0[..., 0] * torch.sin(angle))
    phase = kx[..., None, None] * x + ky[..., None, None] * y + uniform[..., 1, None, None]
    return torch.sin(2 * math.pi * phase)


def _sinusoids(k0: Tensor, draws: InitialDraws) -> Tensor:
    uniform = draws.uniform[..., :4, :]
    weights = 0.5 + uniform[..., 2, None, None]
    return (weights * _plane_waves(k0, uniform, _size(draws))).sum(-3)


def _fronts(k0: Tensor, draws: InitialDraws) -> Tensor:
    waves = _plane_waves((k0 / 2).clamp_min(1.0), draws.uniform[..., :1, :], _size(draws))
    return torch.tanh(FRONT_STEEPNESS * waves[..., 0, :, :])


def _square_distance(draws: InitialDraws) -> Tensor:
    """Squared periodic distance [B, M, C, O, H, W] to each object's center, in domains."""
    x, y = _coordinates(_size(draws), draws.uniform.device)
    dx, dy = x - draws.uniform[..., 0, None, None], y - draws.uniform[..., 1, None, None]
    return (dx - dx.round()).square() + (dy - dy.round()).square()


def _blobs(k0: Tensor, draws: InitialDraws) -> Tensor:
    width = (0.25 / k0).unsqueeze(-1)
    height = 2 * draws.uniform[..., 2, None, None] - 1
    height = height.sign() * (0.5 + 0.5 * height.abs())
    return (height * torch.exp(-0.5 * _square_distance(draws) / width.square())).sum(-3)


def _spots(k0: Tensor, draws: InitialDraws) -> Tensor:
    radius = (0.3 / k0).unsqueeze(-1) * (0.75 + 0.5 * draws.uniform[..., 2, None, None])
    inside = torch.sigmoid((radius - _square_distance(draws).sqrt()) / (EDGE * radius))
    return inside.amax(-3)


def _size(draws: InitialDraws) -> tuple[int, int]:
    return draws.white.shape[-2], draws.white.shape[-1]


def _coordinates(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """x [1, W] and y [H, 1] of the grid points, in domains."""
    height, width = size
    return (
        torch.arange(width, device=device, dtype=torch.float32)[None] / width,
        torch.arange(height, device=device, dtype=torch.float32)[:, None] / height,
    )


KINDS: dict[str, Callable[[Tensor, InitialDraws], Tensor]] = {
    "power_law": _power_law,
    "gaussian": _gaussian,
    "band_limited": _band_limited,
    "sinusoids": _sinusoids,
    "blobs": _blobs,
    "fronts": _fronts,
    "spots": _spots,
}
