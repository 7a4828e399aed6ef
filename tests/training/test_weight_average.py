"""The moving average of the weights: closed form, and its use as the validated model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from spinlock.model import build_network
from spinlock.training.optimization.weight_average import AVERAGED_STEPS, averaged_copy, update_average
from spinlock.training.validation import Validator
from tests.training.runs import config, new_run, train_in_memory, write_table_in
from tests.training.specs import planted_spec


def test_the_average_is_the_mean_of_the_first_steps_and_then_an_exponential_average() -> None:
    model = build_network(planted_spec(), seed=0)
    averaged = averaged_copy(model)
    weight, mean = model.decoder.linear, averaged.decoder.linear
    values = torch.randn(AVERAGED_STEPS + 5, generator=torch.Generator().manual_seed(1)).tolist()
    for step, value in enumerate(values[:AVERAGED_STEPS], start=1):
        torch.nn.init.constant_(weight, value)
        update_average(averaged, model, step)
        expected = sum(values[:step]) / step
        torch.testing.assert_close(mean, torch.full_like(mean, expected))
    for step, value in enumerate(values[AVERAGED_STEPS:], start=AVERAGED_STEPS + 1):
        torch.nn.init.constant_(weight, value)
        update_average(averaged, model, step)
        expected += (value - expected) / AVERAGED_STEPS
        torch.testing.assert_close(mean, torch.full_like(mean, expected))


def test_codes_are_averaged_and_counters_are_copied() -> None:
    model = build_network(planted_spec(), seed=0)
    averaged = averaged_copy(model)
    level = model.quantizer_levels()[0]
    before = level.codes.clone()
    level.codes.add_(1.0)
    level.age.fill_(7)
    update_average(averaged, model, 2)
    torch.testing.assert_close(averaged.quantizer_levels()[0].codes, before + 0.5)
    assert bool((averaged.quantizer_levels()[0].age == 7).all())


def test_the_average_is_validated_and_becomes_the_best_model(tmp_path: Path) -> None:
    write_table_in(tmp_path)
    run = train_in_memory(new_run(config(tmp_path, epochs=3, val_every_n_epochs=3, warm_start=False)))
    plan, state = run.plan, run.state
    validator = Validator(plan.data.validation, plan.data.cleaner, plan.config, block=100)
    *_, last = state.history.records()
    quality = last["val_quality"]
    assert quality == pytest.approx(validator(state.averaged).quality, abs=1e-6)
    assert quality != pytest.approx(validator(state.model).quality, abs=1e-6)
    assert state.progress.best_epoch == 3
    averaged = state.averaged.state_dict()
    assert all(torch.equal(averaged[name], weight) for name, weight in state.best_weights.items())
