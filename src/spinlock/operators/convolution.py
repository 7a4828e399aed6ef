"""Convolutions of fields with several channels on a periodic grid, for several operators at the same time.

A convolution is the product of spectra (Mathieu, Henaff and LeCun 2013), or a sum over the positions of the kernel. The
time of the first does not depend on the size of the kernel, so that it is shorter for large kernels.

Letters: ``B`` operators, ``M`` realizations, ``I`` input and ``O`` output channels, ``k`` x ``k`` weights of a kernel,
``H`` x ``W`` grid points, ``F`` = H (W / 2 + 1) modes.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

MIN_SPECTRAL_KERNEL = 5
"""Smallest kernel size for which a product of spectra takes less time, as measured for 8 to 32 channels on a CPU."""

MAX_SPECTRUM_BYTES = 2**25
"""Maximum size of the spectra of the kernels of one operator, which are read in every step."""

MAX_PRODUCT_KERNEL = 7
"""Largest kernel size for which a convolution with one output channel is computed as products over the channels."""

DIRECT_COST, SPECTRAL_COST = 400, 960
"""Time of the nonlinearity, the padding and the transforms of an output channel, as the number of operations of matrix
products that take the same time; fitted to times of networks with 8 to 32 channels on a CPU."""

Convolution = Callable[[Tensor], Tensor]
"""Map of fields [M, B, I, H, W] to fields [M, B, O, H, W]."""


def periodic_convolution(kernels: Tensor, grid: tuple[int, int]) -> Convolution:
    """Return the cross-correlation of fields with kernels, with periodic continuation of the fields.

    Parameters
    ----------
    kernels
        Weights [B, O, I, k, k] with odd k. Each operator has its own.
    grid
        Numbers of grid points (H, W), at least k each.

    Returns
    -------
    callable
        Map of fields [M, B, I, H, W] to fields [M, B, O, H, W].
    """
    outputs, _, size = kernels.shape[1:4]
    if spectrum_bytes(kernels.shape[1:], grid):
        return _SpectralConvolution(kernels, grid)
    if outputs == 1 and size <= MAX_PRODUCT_KERNEL and not kernels.is_cuda:
        return _OneChannelConvolution(kernels)
    return _DirectConvolution(kernels)


def spectrum_bytes(shape: Sequence[int], grid: tuple[int, int]) -> int:
    """Return the size in bytes of the spectra of one operator's kernels, or 0 if they are not used.

    Parameters
    ----------
    shape
        Shape (O, I, k, k) of the weights.
    grid
        Numbers of grid points (H, W).
    """
    outputs, inputs, size = shape[:3]
    num_bytes = 8 * grid[0] * (grid[1] // 2 + 1) * outputs * inputs
    is_spectral = size >= MIN_SPECTRAL_KERNEL and min(outputs, inputs) > 1 and num_bytes <= MAX_SPECTRUM_BYTES
    return num_bytes if is_spectral else 0


def relative_cost(shape: Sequence[int], grid: tuple[int, int]) -> int:
    """Return the approximate time of a convolution and of the functions that follow it, for one grid point.

    The unit is the time of one operation of a matrix product. The parameters are those of :func:`spectrum_bytes`.
    """
    outputs, inputs, size = shape[:3]
    if spectrum_bytes(shape, grid):
        return 4 * outputs * inputs + SPECTRAL_COST * outputs
    return 2 * outputs * inputs * size**2 + DIRECT_COST * outputs


class _SpectralConvolution:
    """Product of the spectra of the fields and of the kernels, summed over the input channels."""

    def __init__(self, kernels: Tensor, grid: tuple[int, int]) -> None:
        phase = _phases(kernels.shape[-1], grid).to(kernels.device)
        positions = kernels.flatten(3).permute(0, 3, 2, 1).flatten(2)  # [B, k^2, I O]
        spectra = torch.complex(phase.cos().float() @ positions, phase.sin().float() @ positions)
        self._spectra = spectra.view(len(kernels), len(phase), kernels.shape[2], kernels.shape[1])  # [B, F, I, O]
        self._grid = grid

    def __call__(self, values: Tensor) -> Tensor:
        modes = torch.fft.rfft2(values)
        products = modes.flatten(3).permute(1, 3, 0, 2).contiguous() @ self._spectra  # [B, F, M, O]
        products = products.permute(2, 0, 3, 1).reshape(*modes.shape[:2], -1, *modes.shape[-2:])
        result: Tensor = torch.fft.irfft2(products, s=self._grid)
        return result


def _phases(size: int, grid: tuple[int, int]) -> Tensor:
    """Return the phase of each mode at the positions of a centered kernel, float64 [F, k^2].

    The sum of the weights times exp(i phase) is the conjugate spectrum of the kernel, whose product with the spectrum
    of a field is that of their cross-correlation.
    """
    height, width = grid
    offset = torch.arange(size, dtype=torch.float64) - size // 2
    down = torch.arange(height)[:, None] * offset / height
    right = torch.arange(width // 2 + 1)[:, None] * offset / width
    return 2 * torch.pi * (down[:, None, :, None] + right[:, None, :]).flatten(2).flatten(0, 1)


class _DirectConvolution:
    """Grouped convolution with one group for each operator."""

    def __init__(self, kernels: Tensor) -> None:
        self._kernels = kernels

    def __call__(self, values: Tensor) -> Tensor:
        padded = _padded(values, self._kernels.shape[-1]).flatten(1, 2)
        kernels = self._kernels.flatten(0, 1)
        result = functional.conv2d(padded, kernels, groups=len(self._kernels))
        return result.view(len(values), *self._kernels.shape[:2], *values.shape[-2:])


class _OneChannelConvolution:
    """Products over the channels for each position of the kernel, and the sum of the shifted results.

    On a CPU this takes less time than a grouped convolution with one output channel.
    """

    def __init__(self, kernels: Tensor) -> None:
        self._positions = kernels[:, 0].flatten(2).transpose(1, 2).contiguous()  # [B, k^2, I]
        self._size = kernels.shape[-1]

    def __call__(self, values: Tensor) -> Tensor:
        height, width = values.shape[-2:]
        padded = _padded(values, self._size)
        products = (self._positions @ padded.flatten(3)).view(*values.shape[:2], -1, *padded.shape[-2:])
        result = values.new_zeros((*values.shape[:2], height, width))
        for position in range(self._size**2):
            down, right = divmod(position, self._size)
            result += products[:, :, position, down : down + height, right : right + width]
        return result.unsqueeze(2)


def _padded(values: Tensor, size: int) -> Tensor:
    """Return the periodic continuation of fields [M, B, I, H, W] by half the kernel size on each side."""
    flat = functional.pad(values.flatten(1, 2), (size // 2,) * 4, mode="circular")
    return flat.view(*values.shape[:3], *flat.shape[-2:])
