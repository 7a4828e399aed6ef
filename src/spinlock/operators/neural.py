"""Neural operators: random convolutional networks O on a periodic grid, u' = a u + b O(u) + sigma xi.

The policies are autoregressive (a = 0, b = 1), residual (a = 1, b = dt) and convex (a = w, b = 1 - w). O consists of
``depth`` convolutions with circular padding. Each convolution but the last is followed by instance normalization
(Ulyanov et al. 2016), multiplication by a gain, addition of a bias and GELU. The weights are normal with variance 1 /
fan-in, so that O(u) is of order one. The normalization x / sqrt(var(x) + 1) leaves small fields almost unchanged, so
that they can decay or grow, and it limits large fields.

Letters: ``B`` operators of one architecture, ``M`` realizations, ``H`` x ``W`` grid points; there is one channel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spinlock.errors import DataError
from spinlock.operators.draws import Purpose, stream
from spinlock.operators.operator import Operator
from spinlock.operators.rollout import Step

CHANNELS = 1
"""Number of channels of the state of every neural operator."""

SHIFT = 0.5
"""Standard deviation of the biases before the nonlinearity; without biases O would be almost an odd function."""

SOFTNESS = 1.0
"""Constant that is added to the variance in the normalization; with a small constant O would not depend on |u|."""

POLICIES = ("autoregressive", "residual", "convex")
"""Names of the update policies."""


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
        self._shifts = [shift.reshape(1, -1, 1, 1).to(device) for shift in weights.shifts]
        self._gain = [
            gain.to(device, torch.float32).repeat_interleave(shift.shape[1]).reshape(1, -1, 1, 1)
            for shift in weights.shifts
        ]
        self._state_factor = state_factor.to(device, torch.float32).view(-1, 1, 1, 1, 1)
        self._network_factor = network_factor.to(device, torch.float32).view(-1, 1, 1, 1, 1)
        self._num_operators = len(gain)

    def __call__(self, fields: Tensor) -> Tensor:
        """Return the fields [B, M, 1, H, W] after one step without noise."""
        return self._state_factor * fields + self._network_factor * self._network(fields)

    def _network(self, fields: Tensor) -> Tensor:
        """Return O(u) of all operators, [B, M, 1, H, W]."""
        values = fields.transpose(0, 1).flatten(1, 2)  # [M, B, H, W]
        for kernel, gain, shift in zip(self._kernels, self._gain, self._shifts, strict=False):
            values = functional.conv2d(_padded(values, kernel), kernel, groups=self._num_operators)
            values = functional.instance_norm(values, eps=SOFTNESS)
            values = functional.gelu(values.mul_(gain).add_(shift))
        return _to_one_channel(values, self._kernels[-1], fields.shape[-2:]).unsqueeze(2).transpose(0, 1).contiguous()


def _padded(values: Tensor, kernel: Tensor) -> Tensor:
    """Return the periodic continuation of fields [M, ..., H, W] by half the kernel size on each side."""
    return functional.pad(values, (kernel.shape[-1] // 2,) * 4, mode="circular")


def _to_one_channel(values: Tensor, kernel: Tensor, grid: Sequence[int]) -> Tensor:
    """Return the convolutions of B groups of channels with one output channel each, [M, B, H, W].

    For one output channel a product over the channels for each position of the kernel, and a sum of the shifted
    results, takes a fifth of the time of a grouped convolution on a CPU.

    Parameters
    ----------
    values
        Fields [M, B * width, H, W].
    kernel
        Weights [B, width, k, k].
    grid
        (H, W).
    """
    height, width = grid
    padded = _padded(values, kernel)
    channels = padded.view(len(values), *kernel.shape[:2], -1)
    products = (kernel.flatten(2).transpose(1, 2) @ channels).view(*channels.shape[:2], -1, *padded.shape[-2:])
    result = values.new_zeros((len(values), len(kernel), height, width))
    size = kernel.shape[-1]
    for position in range(size**2):
        down, right = divmod(position, size)
        result += products[:, :, position, down : down + height, right : right + width]
    return result


def policy_factors(policy: str, step: float, weight: float) -> tuple[float, float]:
    """Return the factors (a, b) of the update u' = a u + b O(u).

    Parameters
    ----------
    policy
        One of :data:`POLICIES`.
    step
        dt of the residual policy.
    weight
        w of the convex policy.
    """
    return {"autoregressive": (0.0, 1.0), "residual": (1.0, step), "convex": (weight, 1 - weight)}[policy]


def draw_noise(seed: int, indices: Sequence[int], step: int, fields: Tensor) -> Tensor:
    """Draw the standard normal noise of one step.

    Parameters
    ----------
    seed
        Seed of the dataset.
    indices
        Numbers of the B operators.
    step
        Number of the step.
    fields
        Fields [B, ...], whose shape and device the noise has.
    """
    normals = [
        stream(seed, index, Purpose.NOISE, step).standard_normal(fields.shape[1:], dtype=np.float32)
        for index in indices
    ]
    return torch.from_numpy(np.stack(normals)).to(fields.device)


@dataclass(frozen=True, kw_only=True)
class NeuralOperator(Operator):
    """A random convolutional network O with the update u' = a u + b O(u) + noise * xi; one channel.

    Parameters
    ----------
    depth
        Number of convolutions, at least 2.
    width
        Number of hidden channels.
    kernel
        Kernel size in grid points, odd.
    gain
        Factor before the nonlinearity. For values below 1 O is nearly linear, above 1 it is strongly nonlinear.
    policy
        ``autoregressive`` (u' = O(u)), ``residual`` (u' = u + step O(u)) or ``convex``
        (u' = weight u + (1 - weight) O(u)).
    step
        Step dt of the residual policy.
    weight
        Weight w of the present state in the convex policy.
    noise
        Standard deviation of the noise in each step.
    seed
        Seed of the weights and of the noise.
    index
        Number of the operator. With the seed and the parameters of this operator of a dataset, the weights are those of
        the dataset.
    """

    name = "neural"
    channels = CHANNELS

    depth: int = 3
    width: int = 16
    kernel: int = 3
    gain: float = 1.5
    policy: str = "residual"
    step: float = 0.2
    weight: float = 0.5
    noise: float = 0.0
    seed: int = 0
    index: int = 0

    def __post_init__(self) -> None:
        """Check the parameters."""
        super().__post_init__()
        for name, valid, expected in (
            ("policy", self.policy in POLICIES, "one of " + ", ".join(POLICIES)),
            ("depth", self.depth >= 2, "2 or more convolutions"),
            ("width", self.width >= 1, "1 or more channels"),
            ("kernel", self.kernel >= 1 and self.kernel % 2 == 1, "an odd number of grid points"),
        ):
            if not valid:
                raise DataError(f"{name} is {getattr(self, name)!r}", where=type(self).__name__, expected=expected)

    def step_function(self, grid: tuple[int, int], device: torch.device) -> Step:
        """Return the step function; the noise depends on the number of the step.

        Raises
        ------
        DataError
            The grid is smaller than the kernel.
        """
        if min(grid) < self.kernel:
            where = type(self).__name__
            raise DataError(
                f"the grid has {grid[0]} x {grid[1]} points", where=where, expected=f"{self.kernel} or more"
            )
        architecture = Architecture(self.depth, self.width, self.kernel)
        weights = Weights.draw(architecture, [stream(self.seed, self.index, Purpose.WEIGHTS)])
        state_factor, network_factor = policy_factors(self.policy, self.step, self.weight)
        gain = torch.tensor([self.gain], dtype=torch.float64)
        network = NeuralOperators(weights, gain, torch.tensor([state_factor]), torch.tensor([network_factor]), device)

        def advance(fields: Tensor, index: int) -> Tensor:
            advanced = network(fields)
            if self.noise == 0:
                return advanced
            return advanced + self.noise * draw_noise(self.seed, [self.index], index, fields)

        return advance

    def to_states(self, random_fields: Tensor) -> Tensor:
        """Return the random fields, which are states of every neural operator."""
        return random_fields
