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
from spinlock.features.signals import NOISE_FLOOR, run_rms, safe_divisor

FEATURES = {
    "advection_velocity_x": "asinh(100 v) of the velocity v along the last axis, domain lengths/frame; -4.6 to 4.6; "
    "0 for T = 1 and constant fields",
    "advection_velocity_y": "asinh(100 v) of the velocity v along the first spatial axis; 0 for H = 1",
    "advection_speed": "log10 of the length of the velocity, in domain lengths per frame; -5 (or less) to -0.15",
    "advection_coherence": "cosine between each frame and the previous frame shifted by that velocity, over the modes "
    "used and time; -1 to 1; 1 for pure transport; 0 for constant fields",
    "phase_turning": "log10 of the phase change of modes per frame, over pi, weighted by power; -4 (or less) to 0",
}

MAX_WAVES = 4
"""Maximum number of waves per domain along either axis."""

VELOCITY_SCALE = 100.0
"""asinh(VELOCITY_SCALE * v) is nearly linear for |v| < 1 / 100 domain lengths per frame, else nearly logarithmic."""

MIN_SPEED, MIN_TURNING = 1e-5, 1e-4
"""Lower limits of the speed and of the phase change before the logarithm."""

RIDGE = 1e-4
"""Ridge of the least-squares problem: this fraction of the trace of the normal matrix is added to its diagonal. A plane
wave does not determine the velocity along its crests; the ridge sets this component to 0."""


def compute(run: Run) -> Tensor:
    """Return the features, averaged over channels, [R, F]."""
    cross, waves = cross_spectrum(run)
    weight, phase = cross.abs(), cross.angle()
    velocity = _least_squares(weight, phase, waves)
    phase_change = (weight * phase.abs()).sum(-1) / math.pi / safe_divisor(weight.sum(-1))
    residual = phase + 2 * math.pi * velocity @ waves.T
    columns = (
        (VELOCITY_SCALE * velocity[..., 0]).asinh(),
        (VELOCITY_SCALE * velocity[..., 1]).asinh(),
        torch.linalg.vector_norm(velocity, dim=-1).clamp_min(MIN_SPEED).log10(),
        (weight * residual.cos()).sum(-1),
        phase_change.clamp_min(MIN_TURNING).log10(),
    )
    return torch.stack(columns, -1).mean(1)


def cross_spectrum(run: Run) -> tuple[Tensor, Tensor]:
    """Return the cross spectrum of successive frames, and its modes.

    Returns
    -------
    cross : Tensor
        X(k) [R, C, K L], complex; the sum over modes is 1 for a stationary field and 0 for a constant one.
    waves : Tensor
        Wave numbers (n_x, n_y) of the modes in cycles per domain, [K L, 2].
    """
    modes, waves = _low_modes(run.frames)
    size = torch.linalg.vector_norm(modes, dim=-1, keepdim=True)
    is_flat = size <= NOISE_FLOOR * run_rms(run)[:, None, :, None]
    direction = torch.where(is_flat, 0.0, modes / safe_divisor(size))
    if direction.shape[1] == 1:
        return torch.zeros_like(direction[:, 0]), waves
    return (direction[:, :-1].conj() * direction[:, 1:]).mean(1), waves


def _low_modes(frames: Tensor) -> tuple[Tensor, Tensor]:
    """Return the Fourier coefficients of the modes with n_x >= 0 except (0, 0), [R, T, C, K L], and the modes [K L, 2].

    The coefficients are divided by H W. They are computed by two products with thin matrices, because an FFT would
    compute about a hundred times as many coefficients.
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
    """Return the real and imaginary parts of exp(-2 pi i n j / size), [size, numbers] each."""
    position = torch.arange(size, device=numbers.device)
    angle = -2 * math.pi * torch.outer(position, numbers).remainder(size) / size
    return angle.cos(), angle.sin()


def _least_squares(weight: Tensor, phase: Tensor, waves: Tensor) -> Tensor:
    """Return the v [R, C, 2] that minimizes sum weight (phase + 2 pi n . v)^2 plus a ridge; 0 if all weights are 0."""
    weight, waves = weight.double(), waves.double()
    normal = torch.einsum("rcm,mi,mj->rcij", weight, waves, waves)
    target = -torch.einsum("rcm,mi->rci", weight * phase, waves) / (2 * math.pi)
    ridge = RIDGE * normal.diagonal(dim1=-2, dim2=-1).sum(-1)
    a, b, d = normal[..., 0, 0] + ridge, normal[..., 0, 1], normal[..., 1, 1] + ridge
    numerator = torch.stack([d * target[..., 0] - b * target[..., 1], a * target[..., 1] - b * target[..., 0]], -1)
    return (numerator / safe_divisor(a * d - b * b)[..., None]).clamp(-0.5, 0.5).to(phase.dtype)
