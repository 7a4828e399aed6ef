"""The content of files of other programs is described; no link is followed and no value of a dataset is read."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.io.inputs.content import MAX_ATTRIBUTES, MAX_COUNTED, MAX_ENTRIES, Content, read_content
from spinlock.io.inputs.file import InputFile


def content_of(path: Path) -> Content:
    with InputFile.open(path) as file:
        return read_content(file)


def texts(path: Path) -> dict[str, str]:
    return {entry.path: entry.text for entry in content_of(path).entries}


def test_groups_datasets_and_attributes_are_described(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update(title="runs", grid=[64, 64], empty=h5py.Empty("f"), large=np.arange(600.0))
        file.create_dataset("run/x", (100, 4), "f4").attrs["units"] = "m"
        file["run/solver"] = ["spectral", "finite"]
        file["run/none"] = h5py.Empty("i4")
        file["run/pairs"] = np.zeros(3, [("a", "i4"), ("b", "f8")])
        file["kind"] = np.dtype("f8")
        file["reference"] = np.array([file["run"].ref], h5py.ref_dtype)
        file.create_dataset("lists", (3,), h5py.vlen_dtype("i4"))
        h5py.h5d.create(file.id, b"time", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((3,)))
    assert texts(tmp_path / "a.h5") == {
        "/": "group of 5 entries",
        "/kind": "named type",
        "/lists": "dataset (3,) lists of variable length",
        "/reference": "dataset (1,) references",
        "/run": "group of 4 entries",
        "/time": "dataset (3,) HDF5 type time",
        "/run/none": "dataset without a value int32",
        "/run/pairs": "dataset (3,) [('a', '<i4'), ('b', '<f8')]",
        "/run/solver": "dataset (2,) text",
        "/run/x": "dataset (100, 4) float32",
    }
    attributes = {entry.path: dict(entry.attributes) for entry in content_of(tmp_path / "a.h5").entries}
    assert attributes["/"] == {
        "title": "runs",
        "grid": "[64, 64]",
        "empty": "without a value",
        "large": "(600,) float64",
    }
    assert attributes["/run/x"] == {"units": "m"}


def test_links_are_named_and_not_followed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.h5")  # a process that opens it would wait
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["soft"], file["nowhere"] = h5py.SoftLink("/run"), h5py.SoftLink("/missing")
        file["outside"] = h5py.ExternalLink("pipe.h5", "/x")
        file["run/again"] = file.create_group("run")
        layout = h5py.VirtualLayout((4,), "f4", maxshape=(None,))
        endless = slice(0, h5py.h5s.UNLIMITED)
        layout[endless] = h5py.VirtualSource("pipe.h5", "x", (4,), maxshape=(None,))[endless]
        file.create_virtual_dataset("virtual", layout)
        layout = h5py.VirtualLayout((4,), "f4")
        layout[:] = h5py.VirtualSource(".", "itself", (4,))
        file.create_virtual_dataset("itself", layout)
        file.create_dataset("external", (4,), "f4", external=[("/dev/zero", 0, 16)])
    assert texts(tmp_path / "a.h5") == {
        "/": "group of 7 entries",
        "/external": "externally stored dataset (4,) float32",
        "/itself": "virtual dataset (4,) float32",
        "/nowhere": "soft link to /missing",
        "/outside": "external link to /x of the file pipe.h5",
        "/run": "group of 1 entry",
        "/run/again": "group of 1 entry",
        "/soft": "soft link to /run",
        "/virtual": "virtual dataset (4,) float32",
    }


def test_names_and_values_are_short_and_without_control_characters(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["red\x1b[31m"] = "two\nlines" + "x" * 10_000
        file.attrs["bytes"] = np.bytes_(b"\xff\x00\xfe")
        file["data\r" + "y" * 10_000] = 1
        file["link"] = h5py.SoftLink("/\x1b]0;title\x07" + "z" * 10_000)
        file[b"\xff\xfe"] = 2
    for entry in content_of(tmp_path / "a.h5").entries:
        for text in (entry.path, entry.text, *(part for pair in entry.attributes for part in pair)):
            assert text.isprintable()
            assert len(text) < 300


@pytest.mark.parametrize("count", [10, 2 * MAX_ENTRIES, MAX_COUNTED + 10])
def test_the_first_entries_are_described_and_the_others_counted(tmp_path: Path, count: int) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        for index in range(count):
            file[f"link{index}"] = h5py.SoftLink("/nowhere")
        file.attrs.update({f"attribute{index}": index for index in range(2 * MAX_ATTRIBUTES)})
    content = content_of(tmp_path / "a.h5")
    assert len(content.entries) == min(MAX_ENTRIES, 1 + count)
    assert len(content.entries) + content.more == min(MAX_COUNTED, 1 + count)
    assert content.is_complete == (count < MAX_COUNTED)
    assert len(content.entries[0].attributes) == MAX_ATTRIBUTES + 1
    assert content.entries[0].attributes[-1] == ("...", f"{MAX_ATTRIBUTES} more attributes")


def test_a_damaged_object_does_not_hide_the_others(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file["bad"] = np.zeros(3)
        file["good"] = np.zeros(3)
        address = h5py.h5o.get_info(file["bad"].id).addr
    content = bytearray((tmp_path / "a.h5").read_bytes())
    content[address : address + 4] = b"????"
    (tmp_path / "a.h5").write_bytes(content)
    assert texts(tmp_path / "a.h5") == {
        "/": "group of 2 entries",
        "/bad": "cannot be read",
        "/good": "dataset (3,) float64",
    }
