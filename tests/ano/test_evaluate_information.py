"""The estimator of the information chain, and baselines, against closed forms and independent implementations."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from spinlock.ano.data.scales import ParameterScale
from spinlock.ano.data.space import ParameterSpace
from spinlock.ano.data.split import OperatorSplit
from spinlock.ano.evaluation.information.estimator import fit_posterior
from spinlock.ano.evaluation.information.kernel_ridge import PENALTIES, Kernel, _fits, fit_kernel_ridge
from spinlock.ano.evaluation.information.section import DECODED, RAW, measure_information
from spinlock.ano.evaluation.operators import EvaluatedOperators
from spinlock.evaluation.operators.section import BOOSTING, NEIGHBORS, KnownOperators, measure_baselines

ROWS = 2500
FIT, CHOOSE, EVALUATE = slice(0, 250), slice(250, 400), slice(400, ROWS)


def bits(x: np.ndarray, z: np.ndarray) -> float:
    """Mean information of the estimator on rows that it has not seen."""
    found = fit_posterior((x[FIT], z[FIT]), (x[CHOOSE], z[CHOOSE]))
    return float(found.information_bits(x[EVALUATE], z[EVALUATE]).mean())


def test_leave_one_out_errors_of_the_linear_kernel_are_those_of_ridge_regression(rng: np.random.Generator) -> None:
    x = rng.standard_normal((14, 4))
    y = x[:, :2] @ np.array([[1.0], [-0.5]]) + 0.5 * rng.standard_normal((14, 1)) + 3
    kernel = Kernel(x.mean(axis=0), np.ones(4), 0.0)
    total = np.square(x - x.mean(axis=0)).sum() / 4
    errors = [
        [
            y[i, 0] - Ridge(alpha=4 * total * penalty).fit(np.delete(x, i, 0), np.delete(y, i)).predict(x[[i]])[0]
            for i in range(14)
        ]
        for penalty in PENALTIES
    ]
    best = int(np.argmin(np.square(errors).sum(axis=1)))
    found = _fits(x, y, kernel)[0]
    np.testing.assert_allclose(found.errors, errors[best], atol=1e-8)
    reference = Ridge(alpha=4 * total * PENALTIES[best]).fit(x, y[:, 0])
    new = rng.standard_normal((9, 4))
    np.testing.assert_allclose(found.predict(new), reference.predict(new), atol=1e-8)


def test_a_gaussian_kernel_is_selected_for_a_curved_function(rng: np.random.Generator) -> None:
    x = rng.uniform(-2, 2, (300, 2))
    y = np.stack([np.cos(2 * x[:, 0]), x[:, 1]], axis=1) + 0.05 * rng.standard_normal((300, 2))
    curved, straight = fit_kernel_ridge(x[:200], y[:200])
    assert curved.kernel.length > 0
    assert np.square(curved.predict(x[200:]) - y[200:, 0]).mean() < 0.02
    assert np.square(straight.predict(x[200:]) - y[200:, 1]).mean() < 0.01


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_the_information_is_that_of_a_gaussian_channel(rng: np.random.Generator, noise: float) -> None:
    """x = z + s e has log2(1 + 1 / s^2) / 2 bits about each z; inputs without information cost little."""
    z = rng.standard_normal((ROWS, 2))
    x = np.concatenate([z + noise * rng.standard_normal(z.shape), rng.standard_normal((ROWS, 5))], axis=1)
    expected = 2 * 0.5 * np.log2(1 + 1 / noise**2)
    assert bits(x, z) == pytest.approx(expected, abs=0.1)


def test_correlated_errors_are_described_by_the_full_covariance(rng: np.random.Generator) -> None:
    """x = z1 + z2 + s e determines the sum, so that the errors of z1 and z2 have the correlation -1 for small s."""
    z = rng.standard_normal((ROWS, 2))
    x = z.sum(axis=1, keepdims=True) + 0.2 * rng.standard_normal((ROWS, 1))
    expected = 0.5 * np.log2(1 + 2 / 0.2**2)
    assert bits(x, z) == pytest.approx(expected, abs=0.1)


def test_noise_has_no_information_and_absent_parameters_are_integrated_out(rng: np.random.Generator) -> None:
    z = rng.standard_normal((ROWS, 2))
    assert bits(rng.standard_normal((ROWS, 4)), z) == pytest.approx(0, abs=0.08)
    x = z + 0.3 * rng.standard_normal(z.shape)
    z[::2, 1] = np.nan
    assert bits(x, z) == pytest.approx(1.5 * 0.5 * np.log2(1 + 1 / 0.3**2), abs=0.1)


def test_the_chain_has_the_ratios_of_its_channels(rng: np.random.Generator) -> None:
    """Decoded features are raw features with more noise; ANO has half of their information."""
    count = 2000
    family = np.arange(count) % 2
    space = ParameterSpace(
        ("heat", "wave"),
        (ParameterScale("heat.a", "linear", (0.0, 1.0)), ParameterScale("wave.b", "linear", (0.0, 1.0))),
        ((0,), (1,)),
        (False, False),
    )
    z = rng.standard_normal(count)
    real = np.where(family[:, None] == np.arange(2), z[:, None], np.nan)
    raw = (z + 0.2 * rng.standard_normal(count))[:, None]
    decoded = raw + 0.4 * rng.standard_normal(raw.shape)
    parts = np.arange(0, 400), np.arange(400, 600), np.arange(0), np.arange(600, count)
    split = OperatorSplit(*parts)
    operators = EvaluatedOperators(
        np.zeros((count, 1), dtype=int), family, real, real, np.zeros(count, dtype=bool), split.test, True
    )
    expected = [0.5 * np.log2(1 + 1 / variance) for variance in (0.04, 0.2)]
    ano = np.full(1400, expected[1] / 2)
    found = measure_information({RAW: raw, DECODED: decoded}, operators, split, space, ano)
    assert [stage.name for stage in found.stages] == [RAW, DECODED, "ANO"]
    for stage, value in zip(found.stages, expected, strict=False):
        assert stage.bits == pytest.approx(value, abs=4 * stage.error + 0.02)
        assert set(stage.bits_by_family) == {"heat", "wave"}
    assert found.kept_by_tokenizer == pytest.approx(expected[1] / expected[0], abs=0.05)
    assert found.information_ratio == pytest.approx(0.5, abs=0.03)
    assert found.kept == pytest.approx(found.kept_by_tokenizer * found.information_ratio)


def test_baselines_recover_what_the_inputs_determine(rng: np.random.Generator) -> None:
    count = 900
    family = rng.integers(0, 2, count)
    unit = np.full((count, 2), np.nan)
    unit[np.arange(count), family] = rng.random(count)
    value = np.where(family == 0, unit[:, 0], unit[:, 1])
    x = np.stack([family + 0.1 * rng.standard_normal(count), value, rng.random(count)], axis=1)
    tokens = np.stack([family, *[(value * size).astype(int) for size in (20, 9, 7, 5)]], axis=1)
    order = np.arange(count)
    known = KnownOperators(
        ("heat", "wave"), family, ("heat.a", "wave.b"), ((0,), (1,)), unit, (order[:600], order[600:700], order[700:])
    )
    found = measure_baselines({"tokens": x}, tokens, known, seed=0)
    assert [method.method for method in found.methods] == [BOOSTING, NEIGHBORS]
    assert found.prior_accuracy == pytest.approx(0.5, abs=0.15)
    for method in found.methods:
        assert method.accuracy > 0.98
        assert method.mean_r2 > 0.95
        assert set(method.r2["heat"]) == {"a"}
    noise = measure_baselines({"tokens": rng.random((count, 3))}, rng.integers(0, 9, tokens.shape), known, seed=0)
    assert all(abs(method.mean_r2) < 0.2 for method in noise.methods)
