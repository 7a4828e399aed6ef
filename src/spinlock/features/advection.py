"""Velocity of a field from its phases: under u(x, t + 1) = u(x - v, t) each mode turns by phi(k) = -k . v per frame.

The cross spectrum X(k) = sum_t conj(F(k, t)) F(k, t + 1) of successive frames gives v by least squares, weighted by
|X(k)|: the phase correlation method (Kuglin and Hines 1975) with modes up to :data:`HIGHEST`. A frame pair counts by
its directions only, not its energy. A mode n is read without ambiguity while |v| < 1 / (2 n) domain lengths per frame.
Part of the causality group.

Letters: ``R`` runs, ``T`` frames, ``C`` channels, ``H`` x ``W`` points, ``L`` x ``K`` modes along y and x, ``F``
features.
"""

import math

import torch
from torch import Tensor

from spinlock.features.run import Run
from spinlock.features.signals import FLOOR, level, positive

FEATURES = {
    "advection_velocity_x": "asinh(100 v) of the velocity v along the last axis, domain lengths/frame; -4.6 to 4.6; "
    "0 for T = 1 and flat fields",
    "advection_velocity_y": "the same along the other axis; 0 for H = 1",
    "advection_speed": "log10 of the length of the velocity, in domain lengths per frame; -5 (or less) to -0.15",
    "advection_coherence": "cosine between each frame and the last one moved by that velocity, over the modes used and "
    "time; -1 to 1; 1 for pure transport; 0 for flat fields",
    "phase_turning": "log10 of the angle by which modes turn per frame, over pi, weighted by power; -4 (or less) to 0",
}

HIGHEST = 4
"""Largest number of waves per domain along either axis."""

FASTER = 100.0
"""Velocities are told apart linearly below 1 / 100 domain lengths per frame, by their logarithm above."""

SLOWEST, LEAST_TURN = 1e-5, 1e-4

RIDGE = 1e-4
"""Share of its trace added to the normal matrix: a field with waves along one line has no velocity across it."""


def compute(run: Run) -> Tensor:
    """[R, F], averaged over channels."""
    cross, waves = cross_spectrum(run)
    weight, phase = cross.abs(), cross.angle()
    velocity = _least_squares(weight, phase, waves)
    turned = (weight * phase.abs()).sum(-1) / math.pi / positive(weight.sum(-1))
    shift = phase + 2 * math.pi * velocity @ waves.T
    columns = (
        (FASTER * velocity[..., 0]).asinh(),
        (FASTER * velocity[..., 1]).asinh(),
        torch.linalg.vector_norm(velocity, dim=-1).clamp_min(SLOWEST).log10(),
        (weight * shift.cos()).sum(-1),
        turned.clamp_min(LEAST_TURN).log10(),
    )
    return torch.stack(columns, -1).mean(1)


def cross_spectrum(run: Run) -> tuple[Tensor, Tensor]:
    """X(k) [R, C, K L], 1 in sum for a field that stands still, and (n_x, n_y) [K L, 2] in waves per domain."""
    modes, waves = _low_modes(run.frames)
    size = torch.linalg.vector_norm(modes, dim=-1, keepdim=True)
    flat = size <= FLOOR * level(run)[:, None, :, None]
    direction = torch.where(flat, 0.0, modes / positive(size))
    if direction.shape[1] == 1:
        return torch.zeros_like(direction[:, 0]), waves
    return (direction[:, :-1].conj() * direction[:, 1:]).mean(1), waves


def _low_modes(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Fourier coefficients [R, T, C, K L] (over H W) of modes n_x >= 0 but (0, 0), and those modes [K L, 2].

    Two thin products: a whole transform would compute, and store, a hundred times as many coefficients.
    """
    height, width = frames.shape[-2:]
    along_x = torch.arange(HIGHEST + 1, device=frames.device)
    along_y = torch.arange(-HIGHEST, HIGHEST + 1, device=frames.device) if height > 1 else along_x[:1]
    half = torch.view_as_complex(
        torch.stack([frames @ part for part in _waves(width, along_x)], -1).contiguous()
    )  # [R, T, C, H, K]
    cosine, sine = _waves(height, along_y)
    modes = torch.complex(cosine, sine).T @ half  # [R, T, C, L, K]
    n_y, n_x = torch.meshgrid(along_y, along_x, indexing="ij")
    kept = ((n_x > 0) | (n_y > 0)).flatten()  # with (0, n) comes (0, -n), its conjugate
    waves = torch.stack([n_x.flatten(), n_y.flatten()], -1)[kept].to(frames.dtype)
    return modes.flatten(-2)[..., kept] / (height * width), waves


def _waves(size: int, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of exp(-2 pi i n j / size), [size, numbers] each."""
    place = torch.arange(size, device=numbers.device)
    angle = -2 * math.pi * torch.outer(place, numbers).remainder(size) / size
    return angle.cos(), angle.sin()


def _least_squares(weight: Tensor, phase: Tensor, waves: Tensor) -> Tensor:
    """v [R, C, 2] that minimizes sum weight (phase + 2 pi n . v)^2, with a small ridge; 0 where there is no weight."""
    weight, waves = weight.double(), waves.double()
    normal = torch.einsum("rcm,mi,mj->rcij", weight, waves, waves)
    target = -torch.einsum("rcm,mi->rci", weight * phase, waves) / (2 * math.pi)
    ridge = RIDGE * normal.diagonal(dim1=-2, dim2=-1).sum(-1)
    a, b, d = normal[..., 0, 0] + ridge, normal[..., 0, 1], normal[..., 1, 1] + ridge
    solved = torch.stack([d * target[..., 0] - b * target[..., 1], a * target[..., 1] - b * target[..., 0]], -1)
    return (solved / positive(a * d - b * b)[..., None]).clamp(-0.5, 0.5).to(phase.dtype)
