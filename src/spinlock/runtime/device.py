"""Selection of the device from its name in the configuration, and asynchronous copies to it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from spinlock.errors import DataError


def choose_device(name: str, *, local_rank: int = 0, local_world_size: int = 1) -> torch.device:
    """Resolve a device name to the device of this process.

    With several processes on one machine, process ``local_rank`` uses CUDA device ``local_rank``. The current device of
    the calling program is not changed; see :func:`current_device`.

    Parameters
    ----------
    name
        ``auto`` (CUDA if available, else CPU), ``cpu``, ``cuda`` or ``cuda:N``.
    local_rank
        Rank of this process among the processes of this machine.
    local_world_size
        Number of processes on this machine.

    Returns
    -------
    torch.device

    Raises
    ------
    DataError
        The name is unknown, the CUDA device does not exist, or there are more processes than CUDA devices.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,4})?", name):
        raise DataError(f"device is {name!r}", expected="auto, cpu, cuda or cuda:N")
    num_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if num_devices and name in ("auto", "cuda") and local_world_size > 1:
        if local_world_size > num_devices:
            raise DataError(
                f"{local_world_size} processes for {num_devices} CUDA devices",
                expected="at most one process for each device",
                remedy=f"start {num_devices} processes, or pass device='cpu'",
            )
        return torch.device("cuda", local_rank)
    if name == "auto":
        return torch.device("cuda", 0) if num_devices else torch.device("cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= num_devices:
        raise DataError(f"device {name} does not exist", expected="a CUDA device", remedy="pass device='cpu'")
    return device


@contextmanager
def current_device(device: torch.device) -> Iterator[None]:
    """Make a CUDA device the current one in a ``with`` block, and restore that of the calling program afterward.

    NCCL, pinned memory, compiled code and calls without a device argument use the current device. For a CPU nothing
    is changed.
    """
    if device.type != "cuda":
        yield
        return
    with torch.cuda.device(device):
        yield


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a CPU tensor to ``device``; the copy from pinned memory is asynchronous."""
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)
