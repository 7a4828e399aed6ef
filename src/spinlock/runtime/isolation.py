"""Isolation of a computation from the state of the calling program, in both directions.

The calling program can have disabled gradients, set another default dtype or device, enabled autocast, or be a forked
child. None of this reaches a fit, a load or an encoding, and none of it is changed.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from spinlock.runtime.device import current_device
from spinlock.runtime.precision import default_precision

CPU = torch.device("cpu")


class _Process:
    is_forked = False


def _mark_as_forked() -> None:
    _Process.is_forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark_as_forked)


def is_forked() -> bool:
    """Return whether this process is the forked child of a process that may have used the threads of torch."""
    forked_by_multiprocessing = multiprocessing.parent_process() is not None and "__mp_main__" not in sys.modules
    return _Process.is_forked or forked_by_multiprocessing


@contextmanager
def isolated(device: torch.device = CPU) -> Iterator[None]:
    """Compute in a ``with`` block as in a new program, and restore the state of the calling program afterward.

    Gradients are enabled, also inside ``torch.inference_mode``; the default dtype is float32, the default device is the
    CPU, and products have full precision. The random state of torch on the CPU is restored. In a forked child torch
    uses one thread, because the threads of its parent do not exist there, and a second one would wait for them forever.
    Global hooks of modules and dispatch modes of the calling program, such as those of profilers, are not called.

    Parameters
    ----------
    device
        Device of the computation. A CUDA device is the current one in the block.
    """
    with _without_global_hooks(), _without_dispatch_modes(), _with_own_state(device):
        yield


@contextmanager
def _with_own_state(device: torch.device) -> Iterator[None]:
    num_threads = torch.get_num_threads()
    if is_forked():
        torch.set_num_threads(1)
    random_state = torch.get_rng_state()
    try:
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            _default_device_cpu(),
            default_precision(),
            current_device(device),
        ):
            yield
    finally:
        torch.set_rng_state(random_state)
        if torch.get_num_threads() != num_threads:
            torch.set_num_threads(num_threads)


def _default_device_cpu() -> AbstractContextManager[object]:
    """Make the CPU the default device, unless it is already: in a context each call of torch passes Python code."""
    return nullcontext() if torch.get_default_device() == CPU else CPU


@contextmanager
def _without_global_hooks() -> Iterator[None]:
    """Remove the global hooks of modules, and add them again; other threads can do the same at the same time."""
    registries = [
        value
        for name, value in vars(torch.nn.modules.module).items()
        if name.startswith("_global_") and isinstance(value, dict)
    ]
    removed = [dict(registry) for registry in registries]
    for registry in registries:
        registry.clear()
    try:
        yield
    finally:
        for registry, hooks in zip(registries, removed, strict=True):
            registry.update(hooks)


@contextmanager
def _without_dispatch_modes() -> Iterator[None]:
    """Disable the ``TorchDispatchMode`` objects that are active in this thread."""
    if not torch._C._len_torch_dispatch_stack():
        yield
        return
    with torch.utils._python_dispatch._disable_current_modes():
        yield
