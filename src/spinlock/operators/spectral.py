"""Fourier modes exp(i k.x) of the periodic square, Fourier transforms, and dealiasing.

A product of d fields with wave numbers up to K has wave numbers up to d K. On N points these are aliased to |k| <= K
unless N - d K > K. Therefore the modes with |n| < N / (d + 1) are kept: two thirds of the modes along each axis for a
quadratic nonlinearity (Orszag 1971), and half of them for a cubic one.

Letters: ``...`` any leading dimensions, ``H`` x ``W`` points, ``V`` = W / 2 + 1 for real fields, W for complex ones,
``X`` x ``Y`` kept modes along x and y.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Modes:
    """All modes of real fields.

    Parameters
    ----------
    grid
        Numbers of grid points (H, W).
    x, y
        Wave numbers of derivatives, [1, V] and [H, 1] float64. They are 0 at the Nyquist wave number of an even grid,
        where the derivative of a real field vanishes on the grid.
    square
        |k|^2, [H, V] float64.
    """

    grid: tuple[int, int]
    x: Tensor
    y: Tensor
    square: Tensor

    @classmethod
    def of(cls, grid: tuple[int, int], domain: float, *, device: torch.device) -> "Modes":
        """Return the modes of real fields on ``grid`` = (H, W) points of a square with side ``domain``."""
        height, width = grid
        along_y, along_x = _cycles(height, device)[:, None], _cycles(width, device)[None, : width // 2 + 1].abs()
        unit = 2 * math.pi / domain
        odd_x = along_x.where(2 * along_x != width, 0.0)
        odd_y = along_y.where(2 * along_y.abs() != height, 0.0)
        return cls(grid, unit * odd_x, unit * odd_y, unit**2 * (along_x.square() + along_y.square()))

    def spectrum(self, fields: Tensor) -> Tensor:
        """Transform fields [..., H, W] to complex amplitudes [..., H, V]."""
        spectrum: Tensor = torch.fft.rfft2(fields)
        return spectrum

    def fields(self, spectrum: Tensor) -> Tensor:
        """Transform amplitudes [..., H, V] to fields [..., H, W]."""
        fields: Tensor = torch.fft.irfft2(spectrum, s=self.grid)
        return fields


@dataclass(frozen=True)
class DealiasedModes:
    """The modes that a nonlinearity does not alias. Spectra contain no other modes, so that products take less time.

    The modes along y are the last axis of a spectrum, so that the transforms along y are of contiguous values.

    Parameters
    ----------
    grid
        Numbers of grid points (H, W).
    is_real
        Whether the fields are real. In this case the modes with negative wave numbers along x are not stored.
    x, y
        Wave numbers, [X, 1] and [1, Y] float64. The positive ones come first, as in :func:`torch.fft.fftfreq`.
    square
        |k|^2, [X, Y] float64.
    """

    grid: tuple[int, int]
    is_real: bool
    x: Tensor
    y: Tensor
    square: Tensor

    @classmethod
    def of(
        cls, grid: tuple[int, int], domain: float, *, degree: int, is_real: bool, device: torch.device
    ) -> "DealiasedModes":
        """Return the modes that are kept.

        Parameters
        ----------
        grid
            Numbers of grid points (H, W).
        domain
            Side length of the square.
        degree
            Polynomial degree of the nonlinearity.
        is_real
            Whether the fields are real.
        device
            Device of the tensors.
        """
        height, width = grid
        along_y, along_x = _cycles(height, device)[None], _cycles(width, device)[:, None]
        along_y = along_y[:, (along_y.abs() * (degree + 1) < height)[0]]
        along_x = along_x[(along_x.abs() * (degree + 1) < width)[:, 0]]
        if is_real:
            along_x = along_x[along_x[:, 0] >= 0]
        unit = 2 * math.pi / domain
        square = unit**2 * (along_x.square() + along_y.square())
        return cls(grid, is_real, unit * along_x, unit * along_y, square)

    def spectrum(self, fields: Tensor) -> Tensor:
        """Transform fields [..., H, W] to complex amplitudes of the kept modes, [..., X, Y]."""
        num_x, num_y = self.square.shape
        along_x = torch.fft.rfft(fields)[..., :num_x] if self.is_real else _without_zeros(torch.fft.fft(fields), num_x)
        return _without_zeros(torch.fft.fft(along_x.transpose(-2, -1).contiguous()), num_y)

    def fields(self, spectrum: Tensor) -> Tensor:
        """Transform amplitudes [..., X, Y] of the kept modes to fields [..., H, W]."""
        height, width = self.grid
        if not self.is_real:
            along_x = torch.fft.ifft(_with_zeros(spectrum.transpose(-2, -1), width)).transpose(-2, -1)
            complex_fields: Tensor = torch.fft.ifft(_with_zeros(along_x, height)).transpose(-2, -1)
            return complex_fields
        along_y = torch.fft.ifft(_with_zeros(spectrum, height)).transpose(-2, -1)
        padded = along_y.new_empty((*along_y.shape[:-1], width // 2 + 1))
        padded[..., : along_y.shape[-1]] = along_y
        padded[..., along_y.shape[-1] :] = 0
        fields: Tensor = torch.fft.irfft(padded, n=width)
        return fields


def _cycles(size: int, device: torch.device) -> Tensor:
    """Return the wave numbers of an axis in cycles per domain, [N] float64."""
    cycles: Tensor = torch.fft.fftfreq(size, 1 / size, dtype=torch.float64, device=device).round()
    return cycles


def _without_zeros(spectrum: Tensor, num_kept: int) -> Tensor:
    """Return the ``num_kept`` modes with the smallest wave numbers of the last axis."""
    num_negative = num_kept // 2
    return torch.cat((spectrum[..., : num_kept - num_negative], spectrum[..., spectrum.shape[-1] - num_negative :]), -1)


def _with_zeros(spectrum: Tensor, size: int) -> Tensor:
    """Return the amplitudes of all ``size`` modes of the last axis, which are 0 for the modes that are not kept."""
    num_negative = spectrum.shape[-1] // 2
    num_positive = spectrum.shape[-1] - num_negative
    padded = spectrum.new_empty((*spectrum.shape[:-1], size))
    padded[..., :num_positive] = spectrum[..., :num_positive]
    padded[..., num_positive : size - num_negative] = 0
    padded[..., size - num_negative :] = spectrum[..., num_positive:]
    return padded


def to_complex64(values: Tensor) -> Tensor:
    """Convert coefficients to complex64, the type of the spectra, so that products with spectra need no conversion."""
    return values.to(torch.complex64)
