"""Neural operators: random convolutional networks O on a periodic grid, u' = a u + b O(u) + sigma xi.

Policies: autoregressive (a = 0, b = 1), residual (a = 1, b = dt), convex (a = w, b = 1 - w). O is ``depth``
convolutions with circular padding; after each but the last come instance normalization (Ulyanov et al. 2016), a gain
and a shift, and GELU. The weights are normal with variance 1 / fan-in, so that O(u) is of order one. The normalization
bounds what it passes on: x / sqrt(var(x) + 1), so that small fields go through almost unchanged, and may die or grow,
while large ones saturate.

Letters: ``B`` operators of one architecture, ``M`` realizations, ``H`` x ``W`` points; one channel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

CHANNELS = 1
SHIFT = 0.5
"""Standard deviation of the shifts before the nonlinearity: with none of them O would be odd but for GELU."""

SOFTNESS = 1.0
"""What is added to the variance in the normalization. With next to none an operator could not tell how large u is."""

POLICIES = ("autoregressive", "residual", "convex")


@dataclass(frozen=True, order=True)
class Architecture:
    """What operators of one block share: their tensors have the same shapes."""

    depth: int
    width: int
    kernel: int

    @property
    def shapes(self) -> list[tuple[int, int, int, int]]:
        """(out, in, kernel, kernel) of each convolution."""
        widths = [CHANNELS, *[self.width] * (self.depth - 1), CHANNELS]
        return [(out, into, self.kernel, self.kernel) for into, out in pairwise(widths)]

    @property
    def operations(self) -> int:
        """Multiplications and additions at one grid point in one step."""
        return sum(2 * int(np.prod(shape)) for shape in self.shapes)


@dataclass(frozen=True)
class Weights:
    """The drawn numbers of B networks: for each layer ``kernels`` [B, out, in, k, k], ``shifts`` [B, width]."""

    kernels: tuple[Tensor, ...]
    shifts: tuple[Tensor, ...]

    @classmethod
    def of(cls, architecture: Architecture, streams: Sequence[np.random.Generator]) -> "Weights":
        """Draw them, with one stream for each operator."""
        layers: list[list[Tensor]] = []
        for rng in streams:
            drawn = [rng.standard_normal(shape, dtype=np.float32) for shape in architecture.shapes]
            kernels = [values / np.float32(np.sqrt(np.prod(values.shape[1:]))) for values in drawn]
            shifts = [SHIFT * rng.standard_normal(architecture.width, dtype=np.float32) for _ in kernels[1:]]
            layers.append([torch.from_numpy(values) for values in (*kernels, *shifts)])
        stacked = tuple(torch.stack(parts) for parts in zip(*layers, strict=True))
        return cls(stacked[: architecture.depth], stacked[architecture.depth :])


class NeuralOperators:
    """B networks of one architecture, stepped together: a grouped convolution with a group for each operator."""

    def __init__(self, weights: Weights, gain: Tensor, keep: Tensor, take: Tensor, device: torch.device) -> None:
        """``gain``, ``keep`` (a) and ``take`` (b), each [B]."""
        self._kernels = [kernel.flatten(0, 1).to(device) for kernel in weights.kernels]
        self._shifts = [shift.reshape(1, -1, 1, 1).to(device) for shift in weights.shifts]
        self._gain = [
            gain.to(device, torch.float32).repeat_interleave(shift.shape[1]).reshape(1, -1, 1, 1)
            for shift in weights.shifts
        ]
        self._keep = keep.to(device, torch.float32).view(-1, 1, 1, 1, 1)
        self._take = take.to(device, torch.float32).view(-1, 1, 1, 1, 1)
        self._operators = len(gain)

    def __call__(self, fields: Tensor) -> Tensor:
        """One step without its noise: [B, M, 1, H, W] to the same."""
        return self._keep * fields + self._take * self._network(fields)

    def _network(self, fields: Tensor) -> Tensor:
        values = fields.transpose(0, 1).flatten(1, 2)  # [M, B, H, W]
        for layer, kernel in enumerate(self._kernels):
            if layer:
                values = functional.instance_norm(values, eps=SOFTNESS)
                values = functional.gelu(values.mul_(self._gain[layer - 1]).add_(self._shifts[layer - 1]))
            reach = kernel.shape[-1] // 2
            padded = functional.pad(values, (reach,) * 4, mode="circular")
            values = functional.conv2d(padded, kernel, groups=self._operators)
        values = values.view(fields.shape[1], self._operators, CHANNELS, *fields.shape[-2:])
        return values.transpose(0, 1).contiguous()


def mixing(policy: str, step: float, weight: float) -> tuple[float, float]:
    """(a, b) of a policy; ``step`` is dt of residual, ``weight`` w of convex."""
    return {"autoregressive": (0.0, 1.0), "residual": (1.0, step), "convex": (weight, 1 - weight)}[policy]
