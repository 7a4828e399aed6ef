"""Links of an input file: they are followed beside the file; broken, cyclic and forbidden ones are refused."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.errors import DataError
from spinlock.io.features import open_features
from spinlock.io.inputs.file import InputFile
from tests.io.inputs.files import TABLE, X


@pytest.fixture
def other(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a/x"] = X
        file["a/b"] = h5py.SoftLink("x")
        file["c"] = h5py.SoftLink("/a/b")
    return tmp_path / "other.h5"


@pytest.mark.parametrize("target", ["/a/x", "a/x", "/a/b", "/c"])
def test_external_and_soft_links_are_followed_beside_the_file(tmp_path: Path, other: Path, target: str) -> None:
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file[TABLE] = h5py.ExternalLink(other.name, target)
    with open_features(tmp_path / "t.h5") as source:
        np.testing.assert_array_equal(source.read_all(), X)
        assert source.notes == ("the file also reads other.h5",)


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (h5py.SoftLink("/nowhere"), "is a broken link to '/nowhere'"),
        (h5py.SoftLink("features"), "is a chain of more than 32 links"),
        (h5py.SoftLink("/features/x"), "is a chain of more than 32 links"),
        (h5py.ExternalLink("gone.h5", "/x"), "reads the file 'gone.h5', which is missing"),
        (h5py.ExternalLink("other.h5", "/zzz"), "is a broken link to '/zzz'"),
        (h5py.ExternalLink("t.h5", "/features"), "is a chain of more than 32 links"),
        (h5py.ExternalLink("/etc/passwd", "/x"), "reads another file, '/etc/passwd'"),
        (h5py.ExternalLink("../x.h5", "/x"), "reads another file, '../x.h5'"),
        (h5py.ExternalLink("fifo", "/x"), "reads 'fifo', which is not a regular file"),
    ],
)
def test_links_that_cannot_be_followed_are_refused(
    tmp_path: Path, other: Path, link: h5py.SoftLink | h5py.ExternalLink, words: str
) -> None:
    os.mkfifo(tmp_path / "fifo")
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["features"] = link
    with pytest.raises(DataError) as caught:
        open_features(tmp_path / "t.h5")
    assert words in str(caught.value)
    assert f"{tmp_path / 't.h5'}:/features" in str(caught.value)


def test_two_files_that_link_to_each_other_are_refused(tmp_path: Path) -> None:
    for one, two in (("a.h5", "b.h5"), ("b.h5", "a.h5")):
        with h5py.File(tmp_path / one, "w") as file:
            file["features"] = h5py.ExternalLink(two, "/features")
    with pytest.raises(DataError, match="is a chain of more than 32 links"):
        open_features(tmp_path / "a.h5")


def test_a_file_closes_the_files_to_which_it_links(tmp_path: Path, other: Path) -> None:
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["x"] = h5py.ExternalLink(other.name, "/a/x")
    with InputFile.open(tmp_path / "t.h5") as source:
        assert source.dataset("x").shape == X.shape
        with pytest.raises(DataError, match=r"t\.h5:/y: no such dataset"):
            source.dataset("y")
        with pytest.raises(DataError, match=r"t\.h5:/: is a group; expected a dataset"):
            source.dataset("/")
    with h5py.File(other, "r+") as file:  # HDF5 refuses this while the file is open
        file["new"] = 1
