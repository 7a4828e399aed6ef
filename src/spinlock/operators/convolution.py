"""Convolutions of fields with several channels on a periodic grid, for several operators at the same time.

A convolution is the product of spectra (Mathieu, Henaff and LeCun 2013), or a sum over the positions of the kernel. The
time of the first does not depend on the size of the kernel, so that it is shorter for large kernels.

Letters: ``B`` operators, ``M`` realizations, ``I`` input and ``O`` output channels, ``k`` x ``k`` weights of a kernel,
``H`` x ``W`` grid points, ``F`` = H (W / 2 + 1) modes.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

MIN_SPECTRAL_KERNEL = 5
"""Smallest kernel size for which a product of spectra takes less time, as measured for 8 to 32 channels on a CPU."""

MAX_SPECTRUM_BYTES = 2**25
"""Maximum size of the spectra of the kernels of one operator; they are read in every step."""

MAX_PRODUCT_KERNEL = 7
"""Largest kernel size for which a convolution with one output channel is computed as products over the channels."""

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
    size = kernels.shape[-1]
    if kernels.shape[1] == 1 and size <= MAX_PRODUCT_KERNEL and not kernels.is_cuda:
        return _OneChannelConvolution(kernels)
    if (
        size >= MIN_SPECTRAL_KERNEL
        and min(kernels.shape[1:3]) > 1
        and _spectrum_bytes(kernels, grid) <= MAX_SPECTRUM_BYTES
    ):
        return _SpectralConvolution(kernels, grid)
    return _DirectConvolution(kernels)


def _spectrum_bytes(kernels: Tensor, grid: tuple[int, int]) -> int:
    """Return the size of the spectra of the kernels of one operator in bytes."""
    return 8 * grid[0] * (grid[1] // 2 + 1) * kernels.shape[1] * kernels.shape[2]


class _SpectralConvolution:
    """Product of the spectra of the fields and of the kernels, summed over the input channels."""

    def __init__(self, kernels: Tensor, grid: tuple[int, int]) -> None:
        size = kernels.shape[-1]
        padded = functional.pad(kernels, (0, grid[1] - size, 0, grid[0] - size))
        centered = padded.roll((-(size // 2), -(size // 2)), (-2, -1))
        spectra = torch.fft.rfft2(centered).conj()  # the conjugate gives a cross-correlation
        self._spectra = spectra.flatten(3).permute(0, 3, 2, 1).contiguous()  # [B, F, I, O]
        self._grid = grid

    def __call__(self, values: Tensor) -> Tensor:
        modes = torch.fft.rfft2(values)
        products = modes.flatten(3).permute(1, 3, 0, 2).contiguous() @ self._spectra  # [B, F, M, O]
        products = products.permute(2, 0, 3, 1).reshape(*modes.shape[:2], -1, *modes.shape[-2:])
        result: Tensor = torch.fft.irfft2(products, s=self._grid)
        return result


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
