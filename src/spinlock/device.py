"""The device that a configuration names."""

import re

import torch

from spinlock.errors import DataError


def choose_device(name: str, *, local_rank: int = 0) -> torch.device:
    """``auto`` is the CUDA device of this process (the first, if it is alone) where there is one, else the CPU.

    Raises:
        DataError: CUDA was asked for and is not there.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,4})?", name):
        raise DataError(f"device is {name!r}", expected="auto, cpu, cuda or cuda:N")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda", local_rank % there) if there else torch.device("cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= there:
        raise DataError(f"device {name} is not there", expected="a CUDA device", remedy="pass --device cpu")
    return device
