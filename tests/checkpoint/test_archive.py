"""Archives are read as torch reads them; sizes that the file does not have are refused before memory is used."""

import io
import pickle
import re
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from spinlock.checkpoint import archive
from spinlock.checkpoint.archive import ArchiveError, read_archive
from spinlock.checkpoint.file import load_checkpoint
from spinlock.io.atomic import write_files
from tests.checkpoint.files import JOINT, LOCAL, load_error

PICKLE = "archive/data.pkl"


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as source:
        return {name: source.read(name) for name in source.namelist()}


def write(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as target:
        for name, data in members.items():
            target.writestr(name, data)
    return path


def error_of(path: Path) -> str:
    with pytest.raises(ArchiveError) as error:
        read_archive(path)
    return str(error.value)


def assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_same(first, second)
    elif isinstance(one, torch.Tensor):
        assert (one.dtype, one.shape, one.stride()) == (other.dtype, other.shape, other.stride())
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
    else:
        assert one == other


class TestContent:
    @pytest.mark.parametrize("path", [LOCAL, JOINT], ids=["local", "joint"])
    def test_it_is_that_of_torch_load(self, path: Path) -> None:
        assert_same(read_archive(path), torch.load(path, weights_only=True))

    def test_all_types_and_layouts_of_tensors_are_read(self, tmp_path: Path) -> None:
        base = torch.arange(24.0)
        content = {
            "types": [torch.ones(3, dtype=dtype) for dtype in archive.DTYPES.values()],
            "views": [base, base[2:5], base.view(4, 6).T, base[::2], torch.zeros(0), torch.tensor(2.5)],
            "parameter": torch.ones(2, requires_grad=True).detach(),
            "values": [None, True, False, 0, -1, 300, 70_000, 2**40, -(2**70), 1.5, float("nan"), "ä", (1, (2,), ())],
            7: {"nested": [[], {}]},
        }
        torch.save(content, tmp_path / "all.pt")
        loaded = read_archive(tmp_path / "all.pt")
        expected = torch.load(tmp_path / "all.pt", weights_only=True)
        assert loaded["values"].pop(10) != expected["values"].pop(10)  # NaN
        assert_same(loaded, expected)

    def test_equal_tensors_share_their_memory_as_in_the_file(self, tmp_path: Path) -> None:
        tensor = torch.zeros(4)
        torch.save([tensor, tensor, tensor[:2]], tmp_path / "shared.pt")
        first, second, view = read_archive(tmp_path / "shared.pt")
        assert first is second
        assert first.data_ptr() == view.data_ptr()

    def test_tensors_are_aligned_as_those_of_torch(self) -> None:
        """Kernels may round differently for other alignments."""
        weights = read_archive(LOCAL)["model_state_dict"].values()
        assert {weight.data_ptr() % 64 for weight in weights if weight.numel()} == {0}


class TestSizes:
    def test_a_compressed_member_is_refused_before_it_is_inflated(self, tmp_path: Path) -> None:
        members = members_of(LOCAL) | {PICKLE: b"(" + b"0" * 50_000_000}
        message = load_error(write(tmp_path / "bomb.pt", members, zipfile.ZIP_DEFLATED))
        assert re.search(r"is damaged: \S+ is compressed \([\d,]+ bytes in [\d,]+\); expected stored", message)

    def test_members_larger_than_the_file_are_refused(self, tmp_path: Path) -> None:
        data = LOCAL.read_bytes()
        with zipfile.ZipFile(LOCAL) as source:
            size = source.getinfo(PICKLE).file_size.to_bytes(4, "little")
        path = tmp_path / "large.pt"
        path.write_bytes(data.replace(size * 2, (3_000_000_000).to_bytes(4, "little") * 2))
        assert re.search(r"its members have 3,\d{3},\d{3},\d{3} bytes, and the file has", load_error(path))

    def test_overlapping_members_are_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "one.pt", {PICKLE: b"x" * 1000, "archive/data/0": b"x" * 1000})
        with zipfile.ZipFile(path) as source:
            first, second = source.infolist()
            tail = path.read_bytes()[source.start_dir :]
        short = path.read_bytes()[: second.header_offset]
        moved = tail.replace(second.header_offset.to_bytes(4, "little"), first.header_offset.to_bytes(4, "little"))
        path.write_bytes(short + moved)
        assert error_of(path)

    @pytest.mark.parametrize("factor", [10**9, 2, 0])
    def test_a_storage_of_another_size_than_its_member_is_refused(self, factor: int, tmp_path: Path) -> None:
        """torch.load reads beyond the end of the member."""
        torch.save({"a": torch.zeros(50)}, tmp_path / "a.pt")
        members = members_of(tmp_path / "a.pt")
        name = next(name for name in members if name.endswith("data.pkl"))
        members[name] = members[name].replace(b"K2t", b"J" + (50 * factor % 2**31).to_bytes(4, "little") + b"t")
        assert "has 200 bytes; expected" in error_of(write(tmp_path / "b.pt", members))

    @pytest.mark.parametrize("size", [(10**9,), (51,), (10**5, 10**5, 10**5)])
    def test_a_tensor_that_repeats_numbers_is_refused(self, size: tuple[int, ...], tmp_path: Path) -> None:
        torch.save(torch.zeros(50)[:1].expand(size), tmp_path / "a.pt")
        assert re.search(r"numbers, of which \d+ are stored", error_of(tmp_path / "a.pt"))

    @pytest.mark.parametrize(
        ("structure", "message"),
        [
            (b"\x80\x02]" + b"]" * 2000 + b"e.", "is damaged: data.pkl has more than 1,000 instructions"),
            (b"\x80\x02]r\xff\xff\xff\x7f.", "uses the memory slot 2,147,483,647 after 3 instructions"),
        ],
        ids=["many lists", "large memory slot"],
    )
    def test_a_structure_that_takes_more_memory_than_its_size_is_refused(
        self, structure: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(archive, "MAX_OPCODES", 1000)
        assert message in error_of(write(tmp_path / "a.pt", {PICKLE: structure}))

    def test_a_structure_above_the_maximum_size_is_not_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(archive, "MAX_STRUCTURE_BYTES", 1000)
        assert re.search(r"data.pkl has [\d,]+ bytes; expected at most 1,000", error_of(LOCAL))


class TestDamage:
    @pytest.mark.parametrize("name", [PICKLE, "archive/version", "archive/byteorder", "archive/data/3"])
    def test_a_changed_byte_of_a_member_is_noticed(self, name: str, tmp_path: Path) -> None:
        data = bytearray(LOCAL.read_bytes())
        with zipfile.ZipFile(LOCAL) as source:
            member = source.getinfo(name)
        content = members_of(LOCAL)[name]
        start = data.index(content, member.header_offset)
        data[start + len(content) // 2] ^= 1
        path = tmp_path / "changed.pt"
        path.write_bytes(data)
        assert "is truncated, damaged or not a checkpoint" in load_error(path)

    @pytest.mark.parametrize(
        "members",
        [{}, {"archive/version": b"3"}, {PICKLE: b""}, {PICKLE: b"\x80\x02"}, {PICKLE: b"no pickle"},
         {PICKLE: b"\x80\x02N.", "other/data.pkl": b"\x80\x02N."}, {PICKLE: b"\x80\x02X\xff\xff\xff\x7fa."}],
        ids=str,
    )  # fmt: skip
    def test_other_archives_are_refused(self, members: dict[str, bytes], tmp_path: Path) -> None:
        assert "is truncated, damaged or not a checkpoint" in load_error(write(tmp_path / "a.pt", members))

    def test_another_byte_order_is_refused(self, tmp_path: Path) -> None:
        path = write(tmp_path / "big.pt", members_of(LOCAL) | {"archive/byteorder": b"big"})
        assert "byteorder is b'big'; expected b'little'" in load_error(path)

    @pytest.mark.parametrize(
        "value",
        [bytearray(10), {1, 2}, complex(1, 2), torch.float32, torch.Size([1]), torch.nn.Linear(1, 1), range(3), b"x"],
        ids=lambda value: type(value).__name__,
    )
    def test_objects_other_than_plain_data_and_tensors_are_refused(self, value: object, tmp_path: Path) -> None:
        torch.save({"a": value}, tmp_path / "a.pt")
        assert "contains an object that could run code" in error_of(tmp_path / "a.pt")

    @pytest.mark.parametrize("protocol", [0, 1, 3, 4, 5])
    def test_pickles_that_torch_does_not_write_are_refused(self, protocol: int, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        pickle.dump({"a": ("b" * 5, 2, {"c", "d"}, b"bytes")}, buffer, protocol=protocol)
        assert "could run code" in error_of(write(tmp_path / "a.pt", {PICKLE: buffer.getvalue()}))

    def test_memory_that_runs_out_is_not_called_damage(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def exhausted(*_: object) -> None:
            raise MemoryError

        monkeypatch.setattr(archive, "_check_opcodes", exhausted)
        with pytest.raises(MemoryError):
            read_archive(LOCAL)


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    target, stop = tmp_path / "model.pt", threading.Event()
    versions = [path.read_bytes() for path in (LOCAL, JOINT)]
    assert len(versions[0]) != len(versions[1])
    target.write_bytes(versions[0])

    def replace() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            write_files({target: versions[number % 2]})

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        read = {load_checkpoint(target).sha256() for _ in range(40)}
    finally:
        stop.set()
        writer.join()
    assert read <= {load_checkpoint(path).sha256() for path in (LOCAL, JOINT)}
