"""Velocity of a field from the phases of its Fourier modes.

If u(x, t + 1) = u(x - v, t), the phase of each mode k changes by -k . v per frame. The velocity v is the least-squares
solution for the phases of the cross spectrum X(k) = sum_t conj(F(k, t)) F(k, t + 1), weighted by |X(k)|. This is the
phase correlation method (Kuglin and Hines 1975) with modes up to :data:`MAX_WAVES`. Each frame is normalized, so that
all pairs of frames have the same weight. The phase of mode n is unambiguous for |v| < 1 / (2 n) domain lengths per
frame. These features are part of the causality group.

Letters: ``R`` runs, ``T`` frames, ``C`` channels, ``H`` x ``W`` grid points, ``L`` x ``K`` modes along y and x, ``F``
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
    "advection_velocity_y": "asinh(100 v) of the velocity v along the other axis; 0 for H = 1",
    "advection_speed": "log10 of the length of the velocity, in domain lengths per frame; -5 (or less) to -0.15",
    "advection_coherence": "cosine between each frame and the previous frame shifted by that velocity, over the modes "
    "used and time; -1 to 1; 1 for pure transport; 0 for flat fields",
    "phase_turning": "log10 of the phase change of modes per frame, over pi, weighted by power; -4 (or less) to 0",
}

MAX_WAVES = 4
"""Maximum number of waves per domain along either axis."""

VELOCITY_SCALE = 100.0
"""asinh(VELOCITY_SCALE * v) is linear below 1 / 100 domain lengths per frame and logarithmic above."""

MIN_SPEED, MIN_TURNING = 1e-5, 1e-4
"""Lower limits of the speed and of the phase change before the logarithm."""

RIDGE = 1e-4
"""Fraction of its trace that is added to the diagonal of the normal matrix; it makes the velocity of plane waves along
their crests 0."""


def compute(run: Run) -> Tensor:
    """Return the features averaged over channels, [R, F]."""
    cross, waves = cross_spectrum(run)
    weight, phase = cross.abs(), cross.angle()
    velocity = _least_squares(weight, phase, waves)
    turned = (weight * phase.abs()).sum(-1) / math.pi / positive(weight.sum(-1))
    shift = phase + 2 * math.pi * velocity @ waves.T
    columns = (
        (VELOCITY_SCALE * velocity[..., 0]).asinh(),
        (VELOCITY_SCALE * velocity[..., 1]).asinh(),
        torch.linalg.vector_norm(velocity, dim=-1).clamp_min(MIN_SPEED).log10(),
        (weight * shift.cos()).sum(-1),
        turned.clamp_min(MIN_TURNING).log10(),
    )
    return torch.stack(columns, -1).mean(1)


def cross_spectrum(run: Run) -> tuple[Tensor, Tensor]:
    """Return X(k) [R, C, K L], whose sum is 1 for a stationary field, and the modes (n_x, n_y) [K L, 2]."""
    modes, waves = _low_modes(run.frames)
    size = torch.linalg.vector_norm(modes, dim=-1, keepdim=True)
    is_flat = size <= FLOOR * level(run)[:, None, :, None]
    direction = torch.where(is_flat, 0.0, modes / positive(size))
    if direction.shape[1] == 1:
        return torch.zeros_like(direction[:, 0]), waves
    return (direction[:, :-1].conj() * direction[:, 1:]).mean(1), waves


def _low_modes(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Fourier coefficients over H W, [R, T, C, K L], of the modes with n_x >= 0 except (0, 0), and the modes [K L, 2].

    They are computed by two products with thin matrices; an FFT would compute a hundred times as many coefficients.
    """
    height, width = frames.shape[-2:]
    along_x = torch.arange(MAX_WAVES + 1, device=frames.device)
    along_y = torch.arange(-MAX_WAVES, MAX_WAVES + 1, device=frames.device) if height > 1 else along_x[:1]
    half = torch.view_as_complex(
        torch.stack([frames @ wave for wave in _waves(width, along_x)], -1).contiguous()
    )  # [R, T, C, H, K]
    cosine, sine = _waves(height, along_y)
    modes = torch.complex(cosine, sine).T @ half  # [R, T, C, L, K]
    n_y, n_x = torch.meshgrid(along_y, along_x, indexing="ij")
    kept = ((n_x > 0) | (n_y > 0)).flatten()  # (0, -n) is the conjugate of (0, n)
    waves = torch.stack([n_x.flatten(), n_y.flatten()], -1)[kept].to(frames.dtype)
    return modes.flatten(-2)[..., kept] / (height * width), waves


def _waves(size: int, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of exp(-2 pi i n j / size), [size, numbers] each."""
    position = torch.arange(size, device=numbers.device)
    angle = -2 * math.pi * torch.outer(position, numbers).remainder(size) / size
    return angle.cos(), angle.sin()


def _least_squares(weight: Tensor, phase: Tensor, waves: Tensor) -> Tensor:
    """v [R, C, 2] that minimizes sum weight (phase + 2 pi n . v)^2 with a small ridge; 0 where all weights are 0."""
    weight, waves = weight.double(), waves.double()
    normal = torch.einsum("rcm,mi,mj->rcij", weight, waves, waves)
    target = -torch.einsum("rcm,mi->rci", weight * phase, waves) / (2 * math.pi)
    ridge = RIDGE * normal.diagonal(dim1=-2, dim2=-1).sum(-1)
    a, b, d = normal[..., 0, 0] + ridge, normal[..., 0, 1], normal[..., 1, 1] + ridge
    numerator = torch.stack([d * target[..., 0] - b * target[..., 1], a * target[..., 1] - b * target[..., 0]], -1)
    return (numerator / positive(a * d - b * b)[..., None]).clamp(-0.5, 0.5).to(phase.dtype)
