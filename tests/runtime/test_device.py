"""Selection of the device of each process, which leaves the current device of the calling program alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

import spinlock as sl
from spinlock.checkpoint.record import Checkpoint
from spinlock.config import VQVAEConfig
from spinlock.errors import DataError
from spinlock.runtime.device import choose_device, current_device
from spinlock.runtime.isolation import isolated
from spinlock.runtime.process_group import ProcessGroup
from spinlock.training.fit import fit


class Cuda:
    """A simulated machine with two CUDA devices."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.current = 0
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "set_device", self.set)
        monkeypatch.setattr(torch.cuda, "device", self.device)

    def set(self, device: int | torch.device) -> None:
        self.current = (device.index or 0) if isinstance(device, torch.device) else device

    @contextmanager
    def device(self, device: torch.device) -> Iterator[None]:
        before = self.current
        self.set(device)
        try:
            yield
        finally:
            self.current = before


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    return Cuda(monkeypatch)


class TestTwoDevices:
    @pytest.mark.parametrize("name", ["auto", "cuda"])
    def test_each_process_selects_its_own_device(self, name: str, two_devices: Cuda) -> None:
        assert [choose_device(name, local_rank=rank, local_world_size=2).index for rank in range(2)] == [0, 1]
        assert two_devices.current == 0

    def test_a_single_process_selects_the_named_device(self, two_devices: Cuda) -> None:
        assert choose_device("cuda:1") == torch.device("cuda", 1)
        assert two_devices.current == 0

    @pytest.mark.usefixtures("two_devices")
    def test_more_processes_than_devices_are_refused(self) -> None:
        with pytest.raises(DataError, match="3 processes for 2 CUDA devices"):
            choose_device("auto", local_rank=0, local_world_size=3)

    @pytest.mark.usefixtures("two_devices")
    def test_a_single_process_selects_the_first_device(self) -> None:
        assert choose_device("auto") == torch.device("cuda", 0)
        assert choose_device("cpu", local_world_size=3) == torch.device("cpu")

    @pytest.mark.parametrize("enter", [isolated, current_device])
    def test_a_device_is_current_in_its_block_only(self, enter: type, two_devices: Cuda) -> None:
        with enter(torch.device("cuda", 1)):
            assert two_devices.current == 1
        assert two_devices.current == 0
        with enter(torch.device("cpu")):
            assert two_devices.current == 0

    def test_loading_leaves_the_current_device(
        self, two_devices: Cuda, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        x = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
        sl.Tokenizer.fit(x, {"epochs": 0, "device": "cpu"}).save(tmp_path / "model.pt")
        build, used = Checkpoint.build_model, list[tuple[torch.device, int]]()

        def build_on_cpu(checkpoint: Checkpoint, device: torch.device) -> object:
            used.append((device, two_devices.current))
            return build(checkpoint, torch.device("cpu"))

        monkeypatch.setattr(Checkpoint, "build_model", build_on_cpu)
        sl.Tokenizer.load(tmp_path / "model.pt", device="cuda:1")
        assert used == [(torch.device("cuda", 1), 1)]
        assert two_devices.current == 0

    @pytest.mark.parametrize("rank", [0, 1])
    def test_each_process_of_a_group_trains_with_its_device_as_the_current_one(
        self, rank: int, two_devices: Cuda, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        used: list[tuple[torch.device, int]] = []

        def read(config: object, device: torch.device, group: ProcessGroup) -> None:
            used.append((device, two_devices.current))
            raise InterruptedError

        monkeypatch.setattr("spinlock.training.fit.read_table", read)
        with pytest.raises(InterruptedError):
            fit(VQVAEConfig(device="auto"), group=ProcessGroup(rank, 2, rank, 2))
        assert used == [(torch.device("cuda", rank), rank)]
        assert two_devices.current == 0
