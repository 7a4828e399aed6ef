"""Temporary files: leftovers are removed unless they are in use, and a replaced file keeps its mode and owner."""

import errno
import os
from pathlib import Path
from stat import S_IMODE

import pytest

from spinlock.errors import OutputError
from spinlock.io.atomic import replacing, write_files
from spinlock.io.atomic.temporaries import remove_leftovers
from tests.io.atomic.test_locks import names, writer


def test_leftovers_of_killed_processes_are_removed_and_other_files_are_kept(tmp_path: Path) -> None:
    leftovers = (".spinlock-0123456789ab.tmp", ".spinlock-0123456789ab.lock", ".spinlock-00000000000f.lock")
    others = (".spinlock-notes.tmp", "spinlock-0123456789ab.tmp", ".spinlock-0123456789ab.tmp.bak", "data.tmp")
    for name in (*leftovers, *others):
        (tmp_path / name).write_text("x")
    (tmp_path / ".spinlock-aaaaaaaaaaaa.tmp").mkdir()
    remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted((*others, ".spinlock-aaaaaaaaaaaa.tmp"))


def test_a_file_that_another_process_writes_is_no_leftover(tmp_path: Path) -> None:
    with writer(tmp_path):
        before = names(tmp_path)
        remove_leftovers(tmp_path)
        with replacing(tmp_path / "other") as temporary:
            temporary.write_bytes(b"1")
        assert names(tmp_path) == sorted([*before, "other"])
    with replacing(tmp_path / "other") as temporary:
        temporary.write_bytes(b"2")
    assert names(tmp_path) == ["other"]


def test_a_missing_directory_has_no_leftovers(tmp_path: Path) -> None:
    remove_leftovers(tmp_path / "absent")


def write_late(target: Path, appearing: bytes | None, *, overwrite: bool) -> None:
    """Write a file that somebody else creates during the work."""
    with replacing(target, overwrite=overwrite) as temporary:
        temporary.write_bytes(b"new")
        if appearing is not None:
            target.write_bytes(appearing)


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_file_that_appears_during_the_work_is_replaced_only_with_overwrite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool
) -> None:
    if not hard_links:

        def unsupported(source: Path, target: Path) -> None:
            raise OSError(errno.EPERM, "no hard links")

        monkeypatch.setattr(os, "link", unsupported)
    target = tmp_path / "out"
    with pytest.raises(OutputError, match=r"out: exists already: it was created while .*; pass overwrite=True"):
        write_late(target, b"precious", overwrite=False)
    assert (target.read_bytes(), names(tmp_path)) == (b"precious", ["out"])
    write_late(target, b"other", overwrite=True)
    assert (target.read_bytes(), names(tmp_path)) == (b"new", ["out"])
    target.unlink()
    write_late(target, None, overwrite=False)
    assert (target.read_bytes(), names(tmp_path)) == (b"new", ["out"])


def test_of_several_files_none_appears_if_one_exists(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("precious")
    with pytest.raises(OutputError, match="b: exists already"):
        write_files({tmp_path / "a": b"1", tmp_path / "b": b"2", tmp_path / "c": b"3"}, overwrite=False)
    assert names(tmp_path) == ["b"]
    assert (tmp_path / "b").read_text() == "precious"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
def test_a_replaced_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"old")
    target.chmod(mode)
    with replacing(target) as temporary:
        assert S_IMODE(temporary.stat().st_mode) == 0o600
        temporary.write_bytes(b"new")
    assert (target.read_bytes(), S_IMODE(target.stat().st_mode)) == (b"new", mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files to others")
def test_a_replaced_file_keeps_its_owner(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_bytes(b"old")
    os.chown(target, 54321, 54322)
    write_files({target: b"new"})
    assert (target.stat().st_uid, target.stat().st_gid) == (54321, 54322)
