"""The device that a configuration names, and the way there."""

import re

import torch
from torch import Tensor

from spinlock.errors import DataError


def choose_device(name: str, *, local_rank: int = 0, local_world_size: int = 1) -> torch.device:
    """``auto`` is the CUDA device of this process (the first, if it is alone) where there is one, else the CPU.

    ``cuda`` is that device too; of the processes of a machine each has its own.

    Raises:
        DataError: CUDA was asked for and is not there, or not as often as there are processes.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,4})?", name):
        raise DataError(f"device is {name!r}", expected="auto, cpu, cuda or cuda:N")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if there and name in ("auto", "cuda") and local_world_size > 1:
        if local_world_size > there:
            raise DataError(
                f"{local_world_size} processes for {there} CUDA devices",
                expected="at most one process for each",
                remedy=f"start {there}, or pass --device cpu",
            )
        torch.cuda.set_device(local_rank)  # what names no device, NCCL among it, means this one too
        return torch.device("cuda", local_rank)
    if name == "auto":
        return torch.device("cuda", 0) if there else torch.device("cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= there:
        raise DataError(f"device {name} is not there", expected="a CUDA device", remedy="pass --device cpu")
    if device.index:
        torch.cuda.set_device(device.index)
    return device


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on the device, on its way while the host goes on: a copy from unpinned memory would wait."""
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)
