"""The decision to compile depends on configuration and shapes; compiled and eager steps agree."""

import shutil
import time
from pathlib import Path

import pytest
import torch
import torch._dynamo.utils

from spinlock.model import ModelSpec
from spinlock.runtime.compilation import CompilePlan, compiler_available
from spinlock.training import compilation
from spinlock.training.compilation import plan_compilation, step_operations
from tests.training.runs import config, new_run, train_in_memory, write_table_in
from tests.training.specs import planted_spec

WIDE = ModelSpec(
    ("a", "b"), (tuple(range(200)), tuple(range(200, 400))), 126, 128, ((64, 128, 192),) * 2, ((64,) * 3,) * 2
)


def plan(spec: ModelSpec = WIDE, steps: int = 100_000, *, device: str = "cpu", enabled: bool = True) -> CompilePlan:
    return plan_compilation(spec, batch=1024, steps=steps, device=torch.device(device), enabled=enabled)


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "compiler_available", lambda: True)


@pytest.mark.usefixtures("compiler")
class TestDecision:
    def test_long_runs_of_wide_models_are_compiled(self) -> None:
        assert plan().compile
        assert "over 100000 steps" in plan().reason

    def test_short_runs_are_not_compiled_and_the_reason_gives_the_saving(self) -> None:
        short = plan(planted_spec(), 10)
        assert not short.compile
        assert short.reason == "eager: compiling would save about 0 s of 10 steps and cost 60 s"

    def test_decision_does_not_read_a_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        before = plan()
        for name in ("time", "perf_counter", "monotonic"):
            monkeypatch.setattr(time, name, lambda: pytest.fail("a clock was read"))
        assert plan() == before

    def test_decision_changes_once_as_the_number_of_steps_grows(self) -> None:
        chosen = [plan(steps=steps).compile for steps in range(0, 100_000, 1000)]
        assert chosen == sorted(chosen)
        assert {True, False} == set(chosen)

    def test_decision_on_cuda_depends_on_kernel_launches_not_on_operations(self) -> None:
        assert plan(steps=20_000).compile
        assert not plan(steps=20_000, device="cuda").compile
        assert not plan(planted_spec(), steps=60_000).compile
        assert plan(planted_spec(), steps=60_000, device="cuda").compile

    def test_compilation_can_be_switched_off(self) -> None:
        assert plan(enabled=False) == CompilePlan(False, "eager: use_torch_compile is false")


def test_a_missing_compiler_selects_eager_mode_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    decision = plan()
    assert not decision.compile
    assert "no C++ compiler was found" in decision.reason


def test_compiler_available_checks_the_compiler_that_torch_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/clang++" if name == "clang++" else None)
    monkeypatch.delenv("CXX", raising=False)
    assert not compiler_available()
    monkeypatch.setenv("CXX", "clang++")
    assert compiler_available()


def test_operations_grow_with_the_batch_and_the_widths() -> None:
    spec = planted_spec()
    assert step_operations(spec, 200) == pytest.approx(2 * step_operations(spec, 100))
    assert step_operations(planted_spec(16), 100) > step_operations(spec, 100)
    assert step_operations(planted_spec(num_codes=(16, 16, 16)), 100) > step_operations(spec, 100)


@pytest.mark.slow
@pytest.mark.skipif(not compiler_available(), reason="no C++ compiler")
def test_a_compiled_run_has_the_losses_and_state_keys_of_an_eager_run(tmp_path: Path) -> None:
    write_table_in(tmp_path)
    settings = config(tmp_path, epochs=2, num_categories_auto=2, val_every_n_epochs=1)
    losses, keys = [], []
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    for choice in (CompilePlan(False, "eager"), CompilePlan(True, "compiled")):
        run = new_run(settings, choice)
        content = train_in_memory(run).checkpoint().to_dict()
        keys.append([*content["model_state_dict"], *content["training_state"]["weights"]])
        losses.append(run.state.history.columns)
    assert keys[0] == keys[1]
    assert not [key for key in keys[1] if "_orig_mod" in key]
    for name in [name for name in losses[0] if name.startswith("train_")]:
        assert losses[1][name][1:] == pytest.approx(losses[0][name][1:], rel=1e-4, abs=1e-6)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1, "one shape, compiled once"
    torch._dynamo.reset()
