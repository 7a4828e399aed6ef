"""Fourier modes exp(i k.x) of the periodic square, which modes may take part in products, and the transforms.

A product of d fields, each with wave numbers up to K, reaches d K; on N points it falls back onto |k| <= K unless
N - d K > K. So modes |n| < N / (d + 1) are kept: two thirds of them along each axis for a quadratic nonlinearity
(Orszag 1971), half of them for a cubic one.

Letters: ``...`` any leading dimensions, ``H`` x ``W`` points, ``V`` = W / 2 + 1 for real fields, W for complex ones.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Modes:
    """Wave numbers of a grid, float64: ``x`` [1, V] and ``y`` [H, 1] of derivatives, ``square`` [H, V] = |k|^2.

    The derivative of a real field has no part at the highest wave number of an even grid, where ``x`` or ``y`` is 0.
    """

    grid: tuple[int, int]
    is_real: bool
    domain: float
    x: Tensor
    y: Tensor
    square: Tensor

    @classmethod
    def of(cls, grid: tuple[int, int], domain: float, *, is_real: bool, device: torch.device) -> "Modes":
        """The modes of real or complex fields on ``grid`` = (H, W) points of a square of side ``domain``."""
        along_y, along_x = _cycles(grid, is_real, device)
        unit = 2 * math.pi / domain
        odd_x = along_x.where(2 * along_x.abs() != grid[1], 0.0)
        odd_y = along_y.where(2 * along_y.abs() != grid[0], 0.0)
        square = unit**2 * (along_x.square() + along_y.square())
        return cls(grid, is_real, domain, unit * odd_x, unit * odd_y, square)

    def kept(self, degree: int) -> Tensor:
        """1 or 0 [H, V] float64: the modes that remain when the nonlinearity is of this polynomial degree."""
        along_y, along_x = _cycles(self.grid, self.is_real, self.square.device)
        inside = (along_y.abs() * (degree + 1) < self.grid[0]) & (along_x.abs() * (degree + 1) < self.grid[1])
        return inside.to(torch.float64)

    def spectrum(self, fields: Tensor) -> Tensor:
        """Fields [..., H, W] to complex amplitudes [..., H, V]."""
        spectrum: Tensor = torch.fft.rfft2(fields) if self.is_real else torch.fft.fft2(fields)
        return spectrum

    def fields(self, spectrum: Tensor) -> Tensor:
        """Amplitudes [..., H, V] to fields [..., H, W]."""
        fields: Tensor = torch.fft.irfft2(spectrum, s=self.grid) if self.is_real else torch.fft.ifft2(spectrum)
        return fields


def _cycles(grid: tuple[int, int], is_real: bool, device: torch.device) -> tuple[Tensor, Tensor]:
    """Wave numbers in cycles per domain, [H, 1] along y and [1, V] along x."""
    height, width = grid
    frequencies = torch.fft.rfftfreq if is_real else torch.fft.fftfreq
    along_y = torch.fft.fftfreq(height, 1 / height, dtype=torch.float64, device=device)
    along_x = frequencies(width, 1 / width, dtype=torch.float64, device=device)
    return along_y.view(-1, 1).round(), along_x.view(1, -1).round()


def single(values: Tensor) -> Tensor:
    """Coefficients in the precision of the states: complex64, which multiplies a spectrum without a conversion."""
    return values.to(torch.complex64)
