"""No state of the calling program reaches a fit, a load or an encoding, and none of it is changed."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import spinlock as sl
from tests.cli.workspace import NAMES, SMALL, small_table

X = small_table()
CONFIG: dict[str, Any] = {
    **{key: value for key, value in SMALL.items() if key not in ("input_path", "output_dir")},
    "epochs": 1,
}


@contextmanager
def gradients_disabled() -> Iterator[None]:
    torch.set_grad_enabled(False)
    try:
        yield
    finally:
        torch.set_grad_enabled(True)


@contextmanager
def default_dtype() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def default_device() -> Iterator[None]:
    torch.set_default_device("meta")
    try:
        yield
    finally:
        torch.set_default_device(None)


class Perturbed(TorchDispatchMode):
    """A mode that changes every product and refuses to detach, which is how state dicts are read."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.detach.default:
            raise RuntimeError("the mode of the calling program was called")
        result = func(*args, **(kwargs or {}))
        return result + 1 if func in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default) else result


@contextmanager
def global_hooks() -> Iterator[None]:
    def fail(*arguments: Any) -> None:
        raise RuntimeError("a hook of the calling program was called")

    register = torch.nn.modules.module
    handles = [
        register.register_module_forward_hook(fail),
        register.register_module_forward_pre_hook(fail),
        register.register_module_parameter_registration_hook(fail),
        register.register_module_module_registration_hook(fail),
    ]
    try:
        yield
        with pytest.raises(RuntimeError, match="a hook of the calling program"):  # the hooks still exist
            torch.nn.Linear(1, 1)
    finally:
        for handle in handles:
            handle.remove()


STATES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "set_grad_enabled": gradients_disabled,
    "default dtype": default_dtype,
    "default device": default_device,
    "dispatch mode": Perturbed,
    "global hooks": global_hooks,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


def snapshot() -> dict[str, Any]:
    """Everything of the calling program that a library could change."""
    return {
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "precision": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "random": (torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state()[1:3])),  # noqa: NPY002
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)],
        "warnings": (list(warnings.filters), warnings.showwarning),
        "errors": np.geterr(),
        "start method": multiprocessing.get_start_method(allow_none=True),
    }


def use_everything(folder: Path) -> list[Any]:
    """The results of every call of the interface."""
    tokenizer = sl.Tokenizer.fit(X, CONFIG, feature_names=NAMES)
    path = folder / f"{threading.get_ident()}.pt"
    tokenizer.save(path, overwrite=True)
    loaded = sl.Tokenizer.load(path)
    tokens = loaded.encode(X)
    report = sl.evaluate(loaded, X)
    discovered = sl.discover_categories(X, CONFIG)
    return [
        tokenizer.sha256(),
        tokenizer.metrics,
        tokenizer.encode(X).tolist(),
        tokens.tolist(),
        loaded.decode(tokens).tolist(),
        report.metrics,
        discovered.columns,
    ]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    return use_everything(tmp_path_factory.mktemp("expected"))


@pytest.mark.parametrize("state", STATES)
def test_no_state_reaches_the_results_and_none_is_changed(state: str, expected: list[Any], tmp_path: Path) -> None:
    with STATES[state]():
        before = snapshot()
        results = use_everything(tmp_path)
        assert snapshot() == before
    assert results == expected


def test_a_thread_has_the_same_results(expected: list[Any], tmp_path: Path) -> None:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(use_everything(tmp_path)))
    thread.start()
    thread.join()
    assert results == [expected]


FORK = """
import multiprocessing, sys
import numpy as np, torch
import spinlock as sl
torch.set_num_threads(2)
rng = np.random.default_rng(0)
x = (rng.standard_normal((200, 3)) @ rng.standard_normal((3, 8)) + 0.3 * rng.standard_normal((200, 8))).astype("f4")
settings = {"epochs": 1, "device": "cpu"}

def work():
    tokenizer = sl.Tokenizer.fit(x, settings)
    return tokenizer.sha256(), tokenizer.encode(x).tolist(), torch.get_num_threads()

wanted = work()
context = multiprocessing.get_context("fork")
queue = context.Queue()
child = context.Process(target=lambda: queue.put(work()), daemon=True)
child.start()
got = queue.get(timeout=200)
sys.exit(got != wanted)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_of_a_program_that_used_threads_has_the_same_results(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORK]
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    assert subprocess.run(command, env=environment, cwd=tmp_path, check=False).returncode == 0
