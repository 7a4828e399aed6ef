"""Fourier modes exp(i k.x) of the periodic square, Fourier transforms, and dealiasing.

A product of d fields with wave numbers up to K has wave numbers up to d K. On N points these are aliased to |k| <= K
unless N - d K > K. Therefore the modes with |n| < N / (d + 1) are kept: two thirds of the modes along each axis for a
quadratic nonlinearity (Orszag 1971), and half of them for a cubic one.

Letters: ``...`` any leading dimensions, ``H`` x ``W`` points, ``V`` = W / 2 + 1 for real fields, W for complex ones.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Modes:
    """Wave numbers of a grid, float64.

    Parameters
    ----------
    grid
        Numbers of grid points (H, W).
    is_real
        Whether the fields are real. In this case only half of the modes are stored.
    domain
        Side length of the square.
    x, y
        Wave numbers of derivatives, [1, V] and [H, 1]. They are 0 at the Nyquist wave number of an even grid, where the
        derivative of a real field vanishes on the grid.
    square
        |k|^2, [H, V].
    """

    grid: tuple[int, int]
    is_real: bool
    domain: float
    x: Tensor
    y: Tensor
    square: Tensor

    @classmethod
    def of(cls, grid: tuple[int, int], domain: float, *, is_real: bool, device: torch.device) -> "Modes":
        """Return the modes of real or complex fields on ``grid`` = (H, W) points of a square with side ``domain``."""
        along_y, along_x = _cycles(grid, is_real, device)
        unit = 2 * math.pi / domain
        odd_x = along_x.where(2 * along_x.abs() != grid[1], 0.0)
        odd_y = along_y.where(2 * along_y.abs() != grid[0], 0.0)
        square = unit**2 * (along_x.square() + along_y.square())
        return cls(grid, is_real, domain, unit * odd_x, unit * odd_y, square)

    def kept(self, degree: int) -> Tensor:
        """Return the mask of the modes that are kept for a nonlinearity of this polynomial degree, [H, V] float64."""
        along_y, along_x = _cycles(self.grid, self.is_real, self.square.device)
        inside = (along_y.abs() * (degree + 1) < self.grid[0]) & (along_x.abs() * (degree + 1) < self.grid[1])
        return inside.to(torch.float64)

    def spectrum(self, fields: Tensor) -> Tensor:
        """Transform fields [..., H, W] to complex amplitudes [..., H, V]."""
        spectrum: Tensor = torch.fft.rfft2(fields) if self.is_real else torch.fft.fft2(fields)
        return spectrum

    def fields(self, spectrum: Tensor) -> Tensor:
        """Transform amplitudes [..., H, V] to fields [..., H, W]."""
        fields: Tensor = torch.fft.irfft2(spectrum, s=self.grid) if self.is_real else torch.fft.ifft2(spectrum)
        return fields


def _cycles(grid: tuple[int, int], is_real: bool, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the wave numbers in cycles per domain, [H, 1] along y and [1, V] along x."""
    height, width = grid
    frequencies = torch.fft.rfftfreq if is_real else torch.fft.fftfreq
    along_y = torch.fft.fftfreq(height, 1 / height, dtype=torch.float64, device=device)
    along_x = frequencies(width, 1 / width, dtype=torch.float64, device=device)
    return along_y.view(-1, 1).round(), along_x.view(1, -1).round()


def to_complex64(values: Tensor) -> Tensor:
    """Convert coefficients to complex64, the type of the spectra, so that products with spectra need no conversion."""
    return values.to(torch.complex64)
