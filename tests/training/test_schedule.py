"""Equal batches of all rows, random draws that depend only on seed and step, and the learning-rate schedule."""

import math

import numpy as np
import pytest
import torch

from spinlock.model import ModelSpec
from spinlock.training.optimization.schedule import (
    FINAL_LEARNING_RATE_FRACTION,
    WARM_UP_FRACTION,
    BatchPlan,
    code_decay,
    learning_rate,
    step_draws,
)
from tests.training.specs import planted_spec


@pytest.mark.parametrize(
    ("rows", "size", "steps", "batch"),
    [
        (100, 1024, 1, 100),
        (1024, 1024, 1, 1024),
        (1025, 1024, 2, 513),
        (3600, 1024, 4, 900),
        (7, 3, 3, 3),
        (5, 1, 5, 1),
    ],
)
def test_an_epoch_has_the_fewest_equal_batches(rows: int, size: int, steps: int, batch: int) -> None:
    plan = BatchPlan.of(rows, size)
    assert (plan.steps, plan.batch) == (steps, batch)
    assert plan.order(0, 1).shape == (steps, batch)


@pytest.mark.parametrize(("rows", "size"), [(100, 1024), (1025, 1024), (7, 3), (301, 64), (10, 9)])
def test_an_epoch_has_each_row_and_repeats_rows_only_to_fill_the_last_batch(rows: int, size: int) -> None:
    plan = BatchPlan.of(rows, size)
    counts = np.bincount(plan.order(3, 5).flatten().numpy(), minlength=rows)
    assert len(counts) == rows
    assert set(counts.tolist()) <= {1, 2}
    assert int((counts == 2).sum()) == plan.steps * plan.batch - rows < plan.steps


def test_the_order_of_rows_depends_on_seed_and_epoch() -> None:
    plan = BatchPlan.of(100, 30)
    assert torch.equal(plan.order(1, 2), plan.order(1, 2))
    assert not torch.equal(plan.order(1, 2), plan.order(1, 3))
    assert not torch.equal(plan.order(1, 2), plan.order(2, 2))


def draws(spec: ModelSpec, seed: int, step: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    drawn = step_draws(spec, 9, seed=seed, step=step, device=torch.device("cpu"), resets=True)
    without = step_draws(spec, 9, seed=seed, step=step, device=torch.device("cpu"))
    assert without.reset_noise is None
    assert torch.equal(without.projection, drawn.projection)
    assert torch.equal(without.augmentation, drawn.augmentation)
    assert drawn.reset_noise is not None
    return drawn.projection, drawn.augmentation, drawn.reset_noise


def test_random_draws_depend_only_on_seed_and_step() -> None:
    spec = planted_spec()
    first = draws(spec, 1, 7)
    torch.manual_seed(99)
    np.random.default_rng(99).random()
    again, later, seeded = draws(spec, 1, 7), draws(spec, 1, 8), draws(spec, 2, 7)
    for one, same, next_, other in zip(first, again, later, seeded, strict=True):
        assert torch.equal(one, same)
        assert not torch.equal(one, next_)
        assert not torch.equal(one, other)


def test_random_draws_do_not_change_the_global_generator() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    draws(planted_spec(), 1, 2)
    assert torch.equal(torch.rand(3), expected)


def test_random_draws_have_their_shapes_and_distributions() -> None:
    projection, augmentation, noise = draws(planted_spec(), 1, 2)
    assert projection.shape == (3, 8, 16)
    assert augmentation.shape == (2, 9)
    assert 0 <= augmentation.min() < augmentation.max() < 1
    assert noise.shape == (3, 3, 9)
    assert projection.std().item() == pytest.approx(1, abs=0.15)
    assert 0 <= noise.min() < 0.2 < 0.8 < noise.max() < 1


@pytest.mark.parametrize("total", [100, 1640])
def test_the_learning_rate_rises_linearly_then_falls_as_half_a_cosine(total: int) -> None:
    warm = round(WARM_UP_FRACTION * total)
    for step in range(total):
        if step < warm:
            expected = 0.5 * (step + 1) / warm
        else:
            cosine = math.cos(math.pi * (step - warm) / (total - warm))
            expected = 0.5 * (0.01 + 0.99 * (1 + cosine) / 2)
        assert learning_rate(step, total, 0.5) == pytest.approx(expected, rel=1e-12)
    assert learning_rate(warm, total, 0.5) == 0.5
    assert learning_rate(total - 1, total, 0.5) == pytest.approx(0.5 * FINAL_LEARNING_RATE_FRACTION, rel=0.03)


@pytest.mark.parametrize(("final", "fastest"), [(0.995, 0.9), (0.9995, 0.95), (0.8, 0.8)])
def test_the_memory_of_the_codes_is_inverse_to_the_learning_rate(final: float, fastest: float) -> None:
    total = 1000
    decays = [code_decay(step, total, final) for step in range(total + 5)]
    assert min(decays) == pytest.approx(fastest)
    assert decays[-1] == pytest.approx(final, abs=1e-5)
    assert max(decays) <= final
    for step in range(20, total):
        rate = learning_rate(step, total, 1.0)
        if decays[step] > fastest + 1e-9:
            assert (1 - decays[step]) / rate == pytest.approx((1 - final) / FINAL_LEARNING_RATE_FRACTION)


@pytest.mark.parametrize("total", [1, 2, 10, 500])
def test_the_learning_rate_is_constant_after_the_planned_steps(total: int) -> None:
    last = learning_rate(total - 1, total, 0.001)
    assert all(learning_rate(step, total, 0.001) == last for step in (total, total + 1, 10 * total))


@pytest.mark.parametrize("total", [0, 1, 2, 3, 49, 51])
def test_every_learning_rate_is_positive_and_at_most_the_configured_rate(total: int) -> None:
    assert all(0 < learning_rate(step, total, 0.1) <= 0.1 for step in range(total + 3))
