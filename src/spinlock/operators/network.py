"""Random convolutional networks O on a periodic grid, computed for several operators at the same time.

O consists of ``depth`` convolutions with circular padding. Each convolution but the last is followed by instance
normalization (Ulyanov et al. 2016), multiplication by a gain, addition of a bias and GELU. The weights are normal with
variance 1 / fan-in, so that O(u) is of order one. The normalization x / sqrt(var(x) + 1) leaves small fields almost
unchanged, so that they can decay or grow, and it limits large fields.

Letters: ``B`` operators of one architecture, ``M`` realizations, ``H`` x ``W`` grid points; there is one channel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

CHANNELS = 1
"""Number of channels of the state of every neural operator."""

SHIFT = 0.5
"""Standard deviation of the biases before the nonlinearity; without biases O would be almost an odd function."""

SOFTNESS = 1.0
"""Constant that is added to the variance in the normalization; with a small constant O would not depend on |u|."""

MAX_PRODUCT_KERNEL = 7
"""Largest kernel size for which the last convolution is computed as products over the channels."""


@dataclass(frozen=True, order=True)
class Architecture:
    """Depth, width and kernel size of a network; operators with the same architecture can be batched."""

    depth: int
    width: int
    kernel: int

    @property
    def shapes(self) -> list[tuple[int, int, int, int]]:
        """Shape (out, in, kernel, kernel) of the weights of each convolution."""
        widths = [CHANNELS, *[self.width] * (self.depth - 1), CHANNELS]
        return [(outputs, inputs, self.kernel, self.kernel) for inputs, outputs in pairwise(widths)]

    @property
    def operations(self) -> int:
        """Number of multiplications and additions at one grid point in one step."""
        return sum(2 * int(np.prod(shape)) for shape in self.shapes)


@dataclass(frozen=True)
class Weights:
    """Random weights of B networks.

    ``kernels`` are [B, out, in, k, k] for each convolution, ``shifts`` are the biases [B, width] of all but the last
    one.
    """

    kernels: tuple[Tensor, ...]
    shifts: tuple[Tensor, ...]

    @classmethod
    def draw(cls, architecture: Architecture, streams: Sequence[np.random.Generator]) -> "Weights":
        """Draw the weights of B networks, each with its own generator."""
        layers: list[list[Tensor]] = []
        for rng in streams:
            normals = [rng.standard_normal(shape, dtype=np.float32) for shape in architecture.shapes]
            kernels = [values / np.float32(np.sqrt(np.prod(values.shape[1:]))) for values in normals]
            shifts = [SHIFT * rng.standard_normal(architecture.width, dtype=np.float32) for _ in kernels[1:]]
            layers.append([torch.from_numpy(values) for values in (*kernels, *shifts)])
        stacked = tuple(torch.stack(tensors) for tensors in zip(*layers, strict=True))
        return cls(stacked[: architecture.depth], stacked[architecture.depth :])


class NeuralOperators:
    """B neural operators of one architecture, computed by grouped convolutions with one group per operator.

    Parameters
    ----------
    weights
        Random weights of the networks.
    gain
        Factor before the nonlinearity, [B].
    state_factor, network_factor
        Factors a and b of the update, [B] each.
    device
        Device of the computation.
    """

    def __init__(
        self, weights: Weights, gain: Tensor, state_factor: Tensor, network_factor: Tensor, device: torch.device
    ) -> None:
        self._kernels = [kernel.flatten(0, 1).to(device) for kernel in weights.kernels]
        self._shifts = [shift.flatten().to(device) for shift in weights.shifts]
        self._gain = [gain.to(device, torch.float32).repeat_interleave(shift.shape[1]) for shift in weights.shifts]
        self._state_factor = state_factor.to(device, torch.float32).view(-1, 1, 1, 1, 1)
        self._network_factor = network_factor.to(device, torch.float32).view(-1, 1, 1, 1, 1)
        self._num_operators = len(gain)

    def __call__(self, fields: Tensor) -> Tensor:
        """Return the fields [B, M, 1, H, W] after one step without noise."""
        return self._state_factor * fields + self._network_factor * self._network(fields)

    def _network(self, fields: Tensor) -> Tensor:
        """Return O(u) of all operators, [B, M, 1, H, W]."""
        values = fields.transpose(0, 1).flatten(1, 2)  # [M, B, H, W]
        for kernel, gain, shift in zip(self._kernels[:-1], self._gain, self._shifts, strict=True):
            values = functional.conv2d(_padded(values, kernel), kernel, groups=self._num_operators)
            values = functional.gelu(functional.instance_norm(values, weight=gain, bias=shift, eps=SOFTNESS))
        return self._last_convolution(values).unsqueeze(2).transpose(0, 1).contiguous()

    def _last_convolution(self, values: Tensor) -> Tensor:
        """Return the convolution with one output channel of each operator, [M, B, H, W]."""
        kernel = self._kernels[-1]
        if kernel.shape[-1] > MAX_PRODUCT_KERNEL or values.is_cuda:
            return functional.conv2d(_padded(values, kernel), kernel, groups=self._num_operators)
        return _to_one_channel(values, kernel)


def _padded(values: Tensor, kernel: Tensor) -> Tensor:
    """Return the periodic continuation of fields [M, ..., H, W] by half the kernel size on each side."""
    return functional.pad(values, (kernel.shape[-1] // 2,) * 4, mode="circular")


def _to_one_channel(values: Tensor, kernel: Tensor) -> Tensor:
    """Return the convolutions of B groups of channels with one output channel each, [M, B, H, W].

    They are products over the channels for each position of the kernel, and sums of the shifted results. On a CPU this
    takes less time than a grouped convolution with a small kernel.

    Parameters
    ----------
    values
        Fields [M, B * width, H, W].
    kernel
        Weights [B, width, k, k].
    """
    height, width = values.shape[-2:]
    padded = _padded(values, kernel)
    channels = padded.view(len(values), *kernel.shape[:2], -1)
    products = (kernel.flatten(2).transpose(1, 2) @ channels).view(*channels.shape[:2], -1, *padded.shape[-2:])
    result = values.new_zeros((len(values), len(kernel), height, width))
    size = kernel.shape[-1]
    for position in range(size**2):
        down, right = divmod(position, size)
        result += products[:, :, position, down : down + height, right : right + width]
    return result
