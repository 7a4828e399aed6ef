"""Neural operators: u' = a u + b O(u) + sigma xi with a random convolutional network O on a periodic grid.

The policies are autoregressive (a = 0, b = 1), residual (a = 1, b = dt) and convex (a = w, b = 1 - w).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spinlock.errors import DataError
from spinlock.operators.draws import Purpose, stream
from spinlock.operators.network import CHANNELS, Architecture, NeuralOperators, Weights
from spinlock.operators.operator import Operator
from spinlock.operators.rollout import Step

POLICIES = ("autoregressive", "residual", "convex")
"""Names of the update policies."""


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
        factors = torch.tensor([state_factor]), torch.tensor([network_factor])
        network = NeuralOperators(weights, gain, *factors, grid, device)

        def advance(fields: Tensor, index: int) -> Tensor:
            advanced = network(fields)
            if self.noise == 0:
                return advanced
            return advanced + self.noise * draw_noise(self.seed, [self.index], index, fields)

        return advance

    def to_states(self, random_fields: Tensor) -> Tensor:
        """Return the random fields, which are states of every neural operator."""
        return random_fields
