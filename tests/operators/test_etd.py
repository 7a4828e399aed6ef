"""Exponential time differencing: accurate weights, orders of convergence, and the exact linear part."""

import cmath
import math

import mpmath
import numpy as np
import pytest
import torch
from torch import Tensor

from spinlock.operators import etd
from spinlock.operators.etd import integrate, phi_functions, step_weights

SIZES = [1e-12, 1e-6, 1e-3, 0.1, 0.7, 0.999, 1.0, 1.001, 3.0, 30.0, 300.0, 3000.0]


def exact_phi_functions(z: complex) -> list[complex]:
    """phi_1, phi_2 and phi_3 as (exp(z) - sum of the first k terms of its series) / z^k."""
    with mpmath.workdps(80):
        point = mpmath.mpmathify(z)
        series = [sum(point**j / math.factorial(j) for j in range(k)) for k in (1, 2, 3)]
        return [complex((mpmath.exp(point) - terms) / point**k) for k, terms in enumerate(series, 1)]


def test_phi_functions_of_real_and_complex_z_are_accurate_at_every_magnitude() -> None:
    turns = [cmath.exp(1j * angle) for angle in (np.pi, 2.5, np.pi / 2, -1.7)]
    points = [size * turn for size in SIZES for turn in turns]
    expected = torch.tensor([exact_phi_functions(z) for z in points], dtype=torch.complex128)
    result = torch.stack(phi_functions(torch.tensor(points, dtype=torch.complex128)), 1)
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-15)
    real = [-size for size in SIZES] + [0.5, 2.0, 10.0]
    result = torch.stack(phi_functions(torch.tensor(real, dtype=torch.float64)), 1)
    assert result.dtype == torch.float64
    expected = torch.tensor([exact_phi_functions(z) for z in real], dtype=torch.complex128).real
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-15)


def test_phi_functions_at_zero_equal_their_limits() -> None:
    limits = [float(value) for value in phi_functions(torch.zeros(1, dtype=torch.float64))]
    assert limits == pytest.approx([1, 1 / 2, 1 / 6], rel=1e-13)


@pytest.fixture
def double_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etd, "to_complex64", lambda values: values.to(torch.complex128))


def logistic(steps: int, linear: complex) -> tuple[float, float]:
    """Relative error at time 1 of u' = L u - u^2, whose solution is L / (1 + (L / u0 - 1) exp(-L t)), and its
    estimate."""
    start = 0.4 + 0.1j
    weights = step_weights(torch.full((1, 1, 1, 1, 1), linear, dtype=torch.complex128), 1 / steps)
    spectrum = torch.full((1, 1, 1, 1, 1), start, dtype=torch.complex128)
    end, estimate = integrate(weights, lambda u: -u * u, spectrum, steps)
    exact = linear / (1 + (linear / start - 1) * cmath.exp(-linear))
    return abs(complex(end) - exact) / abs(exact), float(estimate)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("linear", [1.5, -2.0, 1j, -1 + 3j])
def test_the_error_is_of_order_4_and_its_estimate_of_order_3(linear: complex) -> None:
    errors, estimates = np.array([logistic(steps, linear) for steps in (32, 64, 128)]).T
    np.testing.assert_allclose(-np.diff(np.log2(errors)), 4, atol=0.35)
    np.testing.assert_allclose(-np.diff(np.log2(estimates)), 3, atol=0.35)
    assert np.all(errors < estimates)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("steps", [1, 3])
def test_the_linear_part_and_a_constant_rate_are_exact(steps: int) -> None:
    linear = torch.tensor([-300.0, -1.0, 0.0, 0.5], dtype=torch.float64)
    start = torch.tensor([1.0, -2.0, 3.0, 0.1], dtype=torch.complex128)

    def rate(u: Tensor) -> Tensor:
        return torch.full_like(u, 0.7)

    weights = step_weights(linear.view(1, 1, 1, 1, 4), 0.3 / steps)
    end, estimate = integrate(weights, rate, start.view(1, 1, 1, 1, 4), steps)
    feed = torch.where(linear == 0, 0.3, (torch.exp(0.3 * linear) - 1) / torch.where(linear == 0, 1, linear))
    torch.testing.assert_close(end.flatten(), torch.exp(0.3 * linear) * start + 0.7 * feed, rtol=1e-12, atol=1e-13)
    assert float(estimate) == 0


def test_the_estimate_of_each_run_is_relative_to_its_own_result() -> None:
    """The linear part and N are both proportional to u, so that runs of different sizes have equal estimates."""
    weights = step_weights(torch.tensor([-1.0, -2.0], dtype=torch.float64).view(2, 1, 1, 1, 1), 0.5)
    spectrum = torch.ones(2, 3, 1, 4, 4, dtype=torch.complex64) * torch.tensor([1e-3, 1.0, 1e3]).view(1, 3, 1, 1, 1)
    _, estimates = integrate(weights, lambda u: 0.3 * u, spectrum, 2)
    torch.testing.assert_close(estimates, estimates[:, 1:2].expand(2, 3), rtol=1e-3, atol=0)
    assert float(estimates[0, 0]) != pytest.approx(float(estimates[1, 0]), rel=0.01)
    _, zero = integrate(weights, lambda u: 0.3 * u, torch.zeros_like(spectrum), 2)
    assert torch.equal(zero, torch.zeros(2, 3))
