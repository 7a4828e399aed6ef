"""What results were measured on."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from typing import Any

import torch


def machine() -> str:
    """Architecture, cores, torch."""
    return f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"


def described(device: torch.device) -> str:
    """The machine, and its threads or the name of its GPU."""
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    return f"{machine()}, {name}"


def matmul_peak(device: torch.device) -> float:
    """Floating-point operations per second of a float32 product of 2,048 x 2,048 matrices, the best of ten."""
    size = 2048
    first, second = torch.randn(size, size, device=device), torch.randn(size, size, device=device)
    return 2 * size**3 / min(seconds(lambda: first @ second, device) for _ in range(10))


def seconds(action: Callable[[], Any], device: torch.device) -> float:
    """How long an action takes, what it leaves to the device included."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started
