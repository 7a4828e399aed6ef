"""Description of the machine, its rate of matrix products, and the duration of an action."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from typing import Any

import torch

PRODUCT_SIZE = 2048
"""Rows and columns of the matrices whose product measures the peak rate."""


def describe_machine() -> str:
    """Return the architecture, the number of cores and the version of torch."""
    return f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"


def describe_device(device: torch.device) -> str:
    """Return the machine with the number of threads, or with the name of the GPU."""
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    return f"{describe_machine()}, {name}"


def matmul_peak(device: torch.device) -> float:
    """Return the floating-point operations per second of a large float32 matrix product, the best of ten."""
    first = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE, device=device)
    second = torch.randn(PRODUCT_SIZE, PRODUCT_SIZE, device=device)
    return 2 * PRODUCT_SIZE**3 / min(seconds(lambda: first @ second, device) for _ in range(10))


def seconds(action: Callable[[], Any], device: torch.device) -> float:
    """Return the duration of an action, including the kernels that it starts on the device."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started
