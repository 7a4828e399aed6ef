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

from spinlock.operators.convolution import periodic_convolution, relative_cost, spectrum_bytes

CHANNELS = 1
"""Number of channels of the state of every neural operator."""

SHIFT = 0.5
"""Standard deviation of the biases before the nonlinearity; without biases O would be almost an odd function."""

SOFTNESS = 1.0
"""Constant that is added to the variance in the normalization; with a small constant O would not depend on |u|."""


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

    def relative_cost(self, grid: tuple[int, int]) -> int:
        """Return the approximate time of a step for one grid point, in operations of matrix products."""
        return sum(relative_cost(shape, grid) for shape in self.shapes)

    def spectrum_bytes(self, grid: tuple[int, int]) -> int:
        """Return the size in bytes of the spectra of the kernels of one network."""
        return sum(spectrum_bytes(shape, grid) for shape in self.shapes)


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

    def select(self, start: int, count: int) -> "Weights":
        """Return the weights of ``count`` networks from ``start`` on."""
        rows = slice(start, start + count)
        return Weights(tuple(kernel[rows] for kernel in self.kernels), tuple(shift[rows] for shift in self.shifts))


class NeuralOperators:
    """B neural operators of one architecture.

    On a CPU the operators are computed one after the other, because their fields then fit the caches. The bits of an
    operator therefore do not depend on the others. On a GPU all are computed at the same time.

    Parameters
    ----------
    weights
        Random weights of the networks.
    gain
        Factor before the nonlinearity, [B].
    state_factor, network_factor
        Factors a and b of the update, [B] each.
    grid
        Numbers of grid points (H, W).
    device
        Device of the computation.
    """

    def __init__(
        self,
        weights: Weights,
        gain: Tensor,
        state_factor: Tensor,
        network_factor: Tensor,
        grid: tuple[int, int],
        device: torch.device,
    ) -> None:
        num_operators = len(gain)
        self._size = num_operators if device.type == "cuda" else 1
        self._networks = [
            _Networks(weights.select(start, self._size), gain[start : start + self._size], grid, device)
            for start in range(0, num_operators, self._size)
        ]
        self._state_factor = state_factor.to(device, torch.float32).view(-1, 1, 1, 1, 1)
        self._network_factor = network_factor.to(device, torch.float32).view(-1, 1, 1, 1, 1)

    def __call__(self, fields: Tensor) -> Tensor:
        """Return the fields [B, M, 1, H, W] after one step without noise."""
        parts = zip(self._networks, torch.split(fields, self._size), strict=True)
        return self._state_factor * fields + self._network_factor * torch.cat(
            [network(part) for network, part in parts]
        )


class _Networks:
    """The networks O of B operators."""

    def __init__(self, weights: Weights, gain: Tensor, grid: tuple[int, int], device: torch.device) -> None:
        self._convolutions = [periodic_convolution(kernels.to(device), grid) for kernels in weights.kernels]
        self._shifts = [shift[..., None, None].to(device) for shift in weights.shifts]
        self._gain = gain.to(device, torch.float32).view(-1, 1, 1, 1)

    def __call__(self, fields: Tensor) -> Tensor:
        """Return O(u) of all operators, [B, M, 1, H, W]."""
        values = fields.transpose(0, 1)  # [M, B, 1, H, W]
        for convolution, shift in zip(self._convolutions[:-1], self._shifts, strict=True):
            values = functional.gelu(_normalized(convolution(values), self._gain, shift))
        return self._convolutions[-1](values).transpose(0, 1)


def _normalized(values: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    """Return fields [M, B, width, H, W] after instance normalization, multiplication by a gain and addition of a bias.

    It takes less time than :func:`torch.nn.functional.instance_norm`. Like that function, it computes the variance from
    centered values.
    """
    num_points = values.shape[-2] * values.shape[-1]
    centered = values - values.mean((-2, -1), keepdim=True)
    variance = torch.linalg.vector_norm(centered, dim=(-2, -1), keepdim=True).square() / num_points
    return torch.addcmul(shift, centered, gain * (variance + SOFTNESS).rsqrt())
