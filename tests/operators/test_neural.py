"""Neural operators against the same network for one operator in NumPy and SciPy."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import correlate
from scipy.special import erf
from torch import Tensor

from spinlock.operators.convolution import relative_cost
from spinlock.operators.draws import Purpose, stream
from spinlock.operators.network import Architecture, NeuralOperators, Weights
from spinlock.operators.neural import POLICIES, policy_factors

GAIN = (0.7, 1.5, 3.0)
GRID = (16, 16)
ARCHITECTURES = [Architecture(2, 4, 3), Architecture(4, 3, 5), Architecture(3, 2, 7), Architecture(2, 3, 9)]


def networks(
    architecture: Architecture, count: int = 3, policy: str = "autoregressive"
) -> tuple[NeuralOperators, Weights]:
    weights = Weights.draw(architecture, [stream(5, index, Purpose.WEIGHTS) for index in range(count)])
    state_factor, network_factor = policy_factors(policy, 0.2, 0.6)
    ones = torch.ones(count)
    gain = torch.tensor(GAIN[:count])
    factors = state_factor * ones, network_factor * ones
    return NeuralOperators(weights, gain, *factors, GRID, torch.device("cpu")), weights


def starts(count: int = 3, realizations: int = 2) -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(count, realizations, 1, *GRID)).astype("f4"))


def reference(field: NDArray[np.float64], weights: Weights, operator: int) -> NDArray[np.float64]:
    """The network of one operator applied to a field [H, W], in float64."""
    values = field[None]
    for layer, kernels in enumerate(weights.kernels):
        if layer:
            values = (values - values.mean((1, 2), keepdims=True)) / np.sqrt(values.var((1, 2), keepdims=True) + 1.0)
            values = GAIN[operator] * values + weights.shifts[layer - 1][operator].numpy()[:, None, None]
            values = values * 0.5 * (1 + erf(values / np.sqrt(2)))
        filters = kernels[operator].double().numpy()
        values = np.stack(
            [sum(correlate(v, f, mode="wrap") for v, f in zip(values, out, strict=True)) for out in filters]
        )
    return values[0]


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_a_step_equals_the_reference_network_of_one_operator(architecture: Architecture) -> None:
    step, weights = networks(architecture)
    fields = starts()
    after = step(fields)
    for operator in range(3):
        for run in range(2):
            expected = reference(fields[operator, run, 0].double().numpy(), weights, operator)
            np.testing.assert_allclose(after[operator, run, 0], expected, atol=2e-5)


@pytest.mark.parametrize(
    ("policy", "state_factor", "network_factor"), [("autoregressive", 0, 1), ("residual", 1, 0.2), ("convex", 0.6, 0.4)]
)
def test_policies_mix_the_field_and_the_network(policy: str, state_factor: float, network_factor: float) -> None:
    fields = starts()
    network = networks(Architecture(2, 4, 3))[0](fields)
    mixed = networks(Architecture(2, 4, 3), policy=policy)[0](fields)
    np.testing.assert_allclose(mixed, state_factor * fields + network_factor * network, atol=1e-6)
    assert policy in POLICIES


def test_a_step_commutes_with_translations() -> None:
    step, _ = networks(Architecture(3, 4, 5))
    fields = starts()
    np.testing.assert_allclose(step(fields.roll((3, -2), (-2, -1))), step(fields).roll((3, -2), (-2, -1)), atol=1e-5)


def test_operators_of_a_block_do_not_mix() -> None:
    step, _ = networks(Architecture(3, 4, 3))
    fields = starts()
    changed = fields.clone()
    changed[0] += 1
    changed[0, :, :, 0, 0] += 5
    assert torch.equal(step(changed)[1:], step(fields)[1:])
    assert not torch.allclose(step(changed)[0], step(fields)[0])


def test_the_step_saturates_for_large_fields_and_is_linear_for_small_fields() -> None:
    step, _ = networks(Architecture(4, 16, 3))
    rest, small, twice, large, larger = (step(scale * starts()) for scale in (0.0, 1e-3, 2e-3, 1e3, 1e4))
    torch.testing.assert_close(large, larger, rtol=1e-2, atol=1e-2)
    assert float(large.abs().max()) < 20
    assert float((twice - rest).norm() / (small - rest).norm()) == pytest.approx(2, rel=0.02)


def test_the_cost_and_the_spectra_of_a_network_are_those_of_its_convolutions() -> None:
    architecture = Architecture(3, 8, 5)
    assert architecture.spectrum_bytes(GRID) == 8 * 16 * 9 * 64
    assert architecture.relative_cost(GRID) == sum(
        relative_cost(shape, GRID) for shape in ((8, 1, 5, 5), (8, 8, 5, 5), (1, 8, 5, 5))
    )
