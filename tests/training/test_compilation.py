"""The decision to compile depends on configuration and shapes; compiled and eager steps agree."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from stat import S_IMODE
from typing import Any

import pytest
import torch
import torch._dynamo.utils
from torch import Tensor
from torch._inductor import codecache

from spinlock.model import ModelSpec
from spinlock.runtime.compilation import CACHE, CompilePlan, compiler_available, use_private_cache
from spinlock.training import compilation
from spinlock.training.callbacks import Callback
from spinlock.training.compilation import plan_compilation, step_operations
from spinlock.training.fit import train
from spinlock.training.run import Run
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


class Notes(Callback):
    """Records the notes of a run."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def on_note(self, run: Run, note: str) -> None:
        self.notes.append(note)


@pytest.mark.parametrize("fails_in", ["forward", "backward"])
def test_a_compiler_that_fails_is_an_eager_run_with_one_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails_in: str
) -> None:
    write_table_in(tmp_path)
    monkeypatch.setenv(CACHE, str(tmp_path))

    def compile_badly(forward: Callable[..., Any], *, dynamic: bool) -> Callable[..., Any]:
        def fail(*arguments: Any) -> Any:
            raise RuntimeError("Python.h: No such file\nand more lines")

        def compiled(rows: Tensor, draws: Any) -> Any:
            if fails_in == "forward":
                fail()
            terms, levels = forward(rows, draws)
            terms.total.register_hook(fail)
            return terms, levels

        return compiled

    monkeypatch.setattr(torch, "compile", compile_badly)
    runs, notes = [], Notes()
    for choice in (CompilePlan(False, "eager"), CompilePlan(True, "compiled")):
        runs.append(new_run(config(tmp_path, epochs=2), choice))
        train(runs[-1], [notes])
    reason = "eager: torch.compile failed on this machine (RuntimeError: Python.h: No such file)"
    assert notes.notes == [reason]
    assert runs[1].plan.compile_plan == runs[1].checkpoint().state.compile_plan == CompilePlan(False, reason)
    states = [run.state.model.state_dict() for run in runs]
    assert all(torch.equal(weights, states[1][name]) for name, weights in states[0].items())


def test_an_error_of_the_step_itself_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **named: Any) -> Any:
        raise ZeroDivisionError

    write_table_in(tmp_path)
    monkeypatch.setattr("spinlock.training.steps.objective", fail)
    monkeypatch.setattr(torch, "compile", lambda forward, *, dynamic: forward)
    monkeypatch.setenv(CACHE, str(tmp_path))
    for choice in (CompilePlan(False, "eager"), CompilePlan(True, "compiled")):
        with pytest.raises(ZeroDivisionError):
            train(new_run(config(tmp_path, epochs=2), choice))


COMPILE = """
import torch
from spinlock.runtime.compilation import use_private_cache
use_private_cache()
assert torch.compile(lambda x: (x + 1).sin().sum())(torch.ones(64)) > 0
"""


@pytest.mark.slow
@pytest.mark.skipif(not compiler_available(), reason="there is no C++ compiler")
def test_nothing_that_is_compiled_stays_among_the_temporary_files(tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    temporary.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != CACHE}
    environment |= {"TMPDIR": str(temporary), "XDG_CACHE_HOME": str(home)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", COMPILE], env=environment, cwd=tmp_path, check=True)
    assert [path.name for path in temporary.rglob("*") if path.is_file()] == []
    assert {".so", ".gch"} <= {path.suffix for path in (home / "spinlock/torch_compile").rglob("*")}


@pytest.fixture(autouse=True)
def header_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore what use_private_cache changes."""
    for name in ("_HEADER_DIR", "_HEADER_LOCK_DIR"):
        monkeypatch.setattr(codecache, name, getattr(codecache, name))


@pytest.fixture
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE, "to be restored")
    monkeypatch.delenv(CACHE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / "home"


def test_compiled_code_is_kept_in_a_directory_of_the_user_alone(cache_home: Path) -> None:
    (cache_home / "spinlock" / "torch_compile").mkdir(parents=True, mode=0o777)
    use_private_cache()
    directory = Path(os.environ[CACHE])
    assert directory == cache_home / "spinlock" / "torch_compile"
    assert S_IMODE(directory.stat().st_mode) == 0o700


@pytest.mark.parametrize("obstacle", ["a link", "a file", "another user"])
def test_a_directory_that_others_can_write_to_is_not_used(
    cache_home: Path, obstacle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = cache_home / "spinlock" / "torch_compile"
    place.parent.mkdir(parents=True)
    if obstacle == "a link":
        (cache_home / "planted").mkdir()
        place.symlink_to(cache_home / "planted")
    elif obstacle == "a file":
        place.write_text("")
    else:
        place.mkdir()
        monkeypatch.setattr(os, "geteuid", lambda: 54321)
    use_private_cache()
    directory = Path(os.environ[CACHE])
    assert directory.parent == cache_home.parent
    assert directory.name.startswith("spinlock-")
    assert S_IMODE(directory.stat().st_mode) == 0o700


def test_a_directory_that_the_user_names_is_used(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE, "mine")
    use_private_cache()
    assert os.environ[CACHE] == "mine"
    assert Path("mine").absolute() / "precompiled_headers" == Path(codecache._HEADER_DIR)
    assert not cache_home.exists()
