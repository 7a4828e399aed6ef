"""Selection of the device of each process."""

import pytest
import torch

from spinlock.errors import DataError
from spinlock.runtime.device import choose_device


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.usefixtures("two_devices")
class TestTwoDevices:
    @pytest.mark.parametrize("name", ["auto", "cuda"])
    def test_each_process_selects_its_own_device_and_makes_it_current(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        current: list[int] = []
        monkeypatch.setattr(torch.cuda, "set_device", current.append)
        assert [choose_device(name, local_rank=rank, local_world_size=2).index for rank in range(2)] == [0, 1]
        assert current == [0, 1]

    def test_a_single_process_makes_the_named_device_current(self, monkeypatch: pytest.MonkeyPatch) -> None:
        current: list[int] = []
        monkeypatch.setattr(torch.cuda, "set_device", current.append)
        assert choose_device("cuda:1") == torch.device("cuda", 1)
        assert current == [1]

    def test_more_processes_than_devices_are_refused(self) -> None:
        with pytest.raises(DataError, match="3 processes for 2 CUDA devices"):
            choose_device("auto", local_rank=0, local_world_size=3)

    def test_a_single_process_selects_the_first_device(self) -> None:
        assert choose_device("auto") == torch.device("cuda", 0)
        assert choose_device("cpu", local_world_size=3) == torch.device("cpu")
