"""Exponential time differencing: accurate weights, orders of convergence, and the exact linear part."""

import cmath
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor

from spinlock.operators import etd
from spinlock.operators.etd import circle_mean, step_function

WEIGHTS: dict[str, Callable] = {  # type: ignore[type-arg]
    "phi_1": lambda z, exp: (exp(z) - 1) / z,
    "phi_2": lambda z, exp: (exp(z) - 1 - z) / z**2,
    "f_1": lambda z, exp: (-4 - z + exp(z) * (4 - 3 * z + z**2)) / z**3,
    "f_2": lambda z, exp: 2 * (2 + z + exp(z) * (z - 2)) / z**3,
    "f_3": lambda z, exp: (-4 - 3 * z - z**2 + exp(z) * (4 - z)) / z**3,
}
SIZES = [1e-12, 1e-6, 1e-3, 0.1, 0.7, 0.999, 1.0, 1.001, 3.0, 30.0, 300.0, 3000.0]


def exact_weight(name: str, z: complex) -> complex:
    with mpmath.workdps(80):
        return complex(WEIGHTS[name](mpmath.mpmathify(z), mpmath.exp))


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_of_real_and_complex_z_are_accurate_at_every_magnitude(name: str) -> None:
    turns = [cmath.exp(1j * angle) for angle in (np.pi, 2.5, np.pi / 2, -1.7)]
    z = [size * turn for size in SIZES for turn in turns]
    result = circle_mean(lambda z: WEIGHTS[name](z, torch.exp), torch.tensor(z, dtype=torch.complex128))
    expected = torch.tensor([exact_weight(name, each) for each in z], dtype=torch.complex128)
    torch.testing.assert_close(result, expected, rtol=1e-11, atol=1e-14)
    real = torch.tensor([-size for size in SIZES] + [0.5, 2.0, 10.0], dtype=torch.float64)
    result = circle_mean(lambda z: WEIGHTS[name](z, torch.exp), real)
    assert result.dtype == torch.float64
    expected = torch.tensor([exact_weight(name, each).real for each in real.tolist()], dtype=torch.float64)
    torch.testing.assert_close(result, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(("name", "limit"), [("phi_1", 1), ("phi_2", 1 / 2), ("f_1", 1 / 6), ("f_2", 1 / 3)])
def test_weights_at_zero_equal_their_limits(name: str, limit: float) -> None:
    result = circle_mean(lambda z: WEIGHTS[name](z, torch.exp), torch.zeros(1, dtype=torch.float64))
    assert float(result) == pytest.approx(limit, rel=1e-13)


@pytest.fixture
def double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etd, "to_complex64", lambda values: values.to(torch.complex128))


def logistic_error(order: int, steps: int, linear: complex) -> float:
    """Error at time 1 of u' = L u - u^2, whose solution is L / (1 + (L / u0 - 1) exp(-L t))."""
    start = torch.tensor([0.4 + 0.1j], dtype=torch.complex128)
    rate = torch.tensor([linear], dtype=torch.complex128)
    step = step_function(rate, 1 / steps, order, lambda u: -u * u)
    u = start
    for _ in range(steps):
        u = step(u)
    exact = linear / (1 + (linear / complex(start) - 1) * cmath.exp(-linear))
    return abs(complex(u) - exact)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("linear", [1.5, -2.0, 1j, -1 + 3j])
@pytest.mark.parametrize("order", [2, 4])
def test_the_error_decreases_with_the_order_of_the_method(order: int, linear: complex) -> None:
    errors = [logistic_error(order, steps, linear) for steps in (16, 32, 64)]
    slopes = -np.diff(np.log2(errors))
    np.testing.assert_allclose(slopes, order, atol=0.35)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("order", [2, 4])
def test_the_linear_part_and_a_constant_rate_are_exact(order: int) -> None:
    linear = torch.tensor([-300.0, -1.0, 0.0, 0.5], dtype=torch.float64)

    def rate(u: Tensor) -> Tensor:
        return torch.full_like(u, 0.7)

    step = step_function(linear, 0.3, order, rate)
    start = torch.tensor([1.0, -2.0, 3.0, 0.1], dtype=torch.complex128)
    feed = torch.where(linear == 0, 0.3, (torch.exp(0.3 * linear) - 1) / torch.where(linear == 0, 1, linear))
    torch.testing.assert_close(step(start), torch.exp(0.3 * linear) * start + 0.7 * feed, rtol=1e-12, atol=1e-13)


def test_other_orders_are_refused() -> None:
    one = torch.ones(1, dtype=torch.float64)
    with pytest.raises(ValueError, match="order is 3, expected 2 or 4"):
        step_function(one, 0.1, 3, lambda u: u)
