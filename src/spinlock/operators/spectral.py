"""Fourier modes exp(i k.x) of the periodic square, Fourier transforms, and dealiasing.

A product of d fields with wave numbers up to K has wave numbers up to d K. On N points these are aliased to |k| <= K
unless N - d K > K. Therefore the modes with |n| < N / (d + 1) are kept: two thirds of the modes along each axis for a
quadratic nonlinearity (Orszag 1971), and half of them for a cubic one.

Letters: ``...`` any leading dimensions, ``H`` x ``W`` points, ``V`` = W / 2 + 1 for real fields, W for complex ones,
``X`` x ``Y`` kept modes along x and y.
"""

import math
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

MIN_SIZE_TO_SKIP_ZEROS = 64
"""Minimum number of points along both axes for transforms of one axis at a time, which skip modes that are zero.

Smaller grids and complex fields have two-dimensional transforms. Transforms of one axis at a time would change their
rounding errors, which chaotic families amplify, and therefore the values of existing datasets.
"""

Slices = tuple[slice, slice]
"""A slice of the kept modes of an axis, and the slice of the same modes among all modes of the axis."""


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
        all_y, all_x = _axes(grid, device)
        along_y, along_x = all_y[:, None], all_x[None, : width // 2 + 1].abs()
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
    """The modes that are kept by dealiasing. Spectra contain only these modes. Products therefore take less time.

    The last axis of a spectrum is y. Transforms along y therefore read contiguous values.

    Parameters
    ----------
    grid
        Numbers of grid points (H, W).
    is_real
        Whether the fields are real. In this case the modes with negative wave numbers along x are not stored.
    x, y
        Wave numbers, [X, 1] and [1, Y] float64. Zero and the positive wave numbers come first, as in
        :func:`torch.fft.fftfreq`.
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
        along_y, along_x = (cycles[cycles.abs() * (degree + 1) < len(cycles)] for cycles in _axes(grid, device))
        if is_real:
            along_x = along_x[along_x >= 0]
        unit = 2 * math.pi / domain
        square = unit**2 * (along_x[:, None].square() + along_y.square())
        return cls(grid, is_real, unit * along_x[:, None], unit * along_y[None], square)

    def spectrum(self, fields: Tensor) -> Tensor:
        """Transform fields [..., H, W] to complex amplitudes of the kept modes, [..., X, Y]."""
        num_x, num_y = self.square.shape
        if self._skips_zeros:
            along_x = torch.fft.rfft(fields)[..., :num_x].transpose(-2, -1).contiguous()
            return _lowest(torch.fft.fft(along_x), num_y)
        whole = torch.fft.rfft2(fields) if self.is_real else torch.fft.fft2(fields)
        kept: Tensor = whole.new_empty((*whole.shape[:-2], num_x, num_y))
        for (x, all_x), (y, all_y) in self._kept_blocks():
            kept[..., x, y] = whole[..., all_y, all_x].transpose(-2, -1)
        return kept

    def fields(self, spectrum: Tensor) -> Tensor:
        """Transform amplitudes [..., X, Y] of the kept modes to fields [..., H, W]."""
        height, width = self.grid
        num_columns = width // 2 + 1 if self.is_real else width
        if self._skips_zeros:
            along_y = torch.fft.ifft(_padded(spectrum, height))
            whole = spectrum.new_empty((*spectrum.shape[:-2], height, num_columns))
            whole[..., : spectrum.shape[-2]] = along_y.transpose(-2, -1)
            whole[..., spectrum.shape[-2] :] = 0
            real_fields: Tensor = torch.fft.irfft(whole, n=width)
            return real_fields
        whole = spectrum.new_zeros((*spectrum.shape[:-2], height, num_columns))
        for (x, all_x), (y, all_y) in self._kept_blocks():
            whole[..., all_y, all_x] = spectrum[..., x, y].transpose(-2, -1)
        fields: Tensor = torch.fft.irfft2(whole, s=self.grid) if self.is_real else torch.fft.ifft2(whole)
        return fields

    def _kept_blocks(self) -> list[tuple[Slices, Slices]]:
        """Return the slices of kept modes and of the same modes among all modes, along x and along y, of each block."""
        (num_x, num_y), (height, width) = self.square.shape, self.grid
        along_x = [(slice(num_x), slice(num_x))] if self.is_real else _signed_slices(num_x, width)
        return list(product(along_x, _signed_slices(num_y, height)))

    @property
    def _skips_zeros(self) -> bool:
        """Whether each axis is transformed alone, so that the transforms along y skip the modes that are zero."""
        return self.is_real and min(self.grid) >= MIN_SIZE_TO_SKIP_ZEROS


def _signed_slices(num_kept: int, size: int) -> list[Slices]:
    """Return the slices of the kept and of all modes of an axis, for the modes that are not negative and the others."""
    num_negative = num_kept // 2
    num_positive = num_kept - num_negative
    return [
        (slice(num_positive), slice(num_positive)),
        (slice(num_positive, num_kept), slice(size - num_negative, size)),
    ]


def _lowest(spectrum: Tensor, num_kept: int) -> Tensor:
    """Return the ``num_kept`` modes with the smallest wave numbers along the last axis."""
    return torch.cat([spectrum[..., modes] for _, modes in _signed_slices(num_kept, spectrum.shape[-1])], -1)


def _padded(spectrum: Tensor, size: int) -> Tensor:
    """Return the amplitudes of all ``size`` modes along the last axis, which are 0 for the modes that are not kept."""
    whole = spectrum.new_empty((*spectrum.shape[:-1], size))
    (kept_first, first), (kept_last, last) = _signed_slices(spectrum.shape[-1], size)
    whole[..., first], whole[..., last] = spectrum[..., kept_first], spectrum[..., kept_last]
    whole[..., first.stop : last.start] = 0
    return whole


def _axes(grid: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the wave numbers along y [H] and x [W] in cycles per domain, float64."""
    height, width = grid
    along_y = torch.fft.fftfreq(height, 1 / height, dtype=torch.float64, device=device).round()
    along_x = torch.fft.fftfreq(width, 1 / width, dtype=torch.float64, device=device).round()
    return along_y, along_x


def to_complex64(values: Tensor) -> Tensor:
    """Convert coefficients to complex64, the type of the spectra, so that products with spectra need no conversion."""
    return values.to(torch.complex64)
