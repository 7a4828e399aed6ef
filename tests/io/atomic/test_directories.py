"""The lock of a directory: one process at a time, created directories, and directories that are set aside."""

from pathlib import Path

import pytest

from spinlock.errors import OutputError
from spinlock.io.atomic import DirectoryLock, check_unlocked, locks


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.0)


def paths(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_the_directory_is_created_and_removed_if_it_stays_empty(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
    assert paths(tmp_path) == []
    with DirectoryLock(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "file").write_text("1")
    assert paths(tmp_path) == ["a", "a/b", "a/b/file"]


def test_a_second_lock_is_refused_under_any_name_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    with DirectoryLock(tmp_path / "run"):
        for name in ("run", "link", "run/../run"):
            with pytest.raises(OutputError, match="is being written by process"):
                check_unlocked(tmp_path / name)
            with pytest.raises(OutputError, match="is being written by process"), DirectoryLock(tmp_path / name):
                pass
    check_unlocked(tmp_path / "run")
    check_unlocked(tmp_path / "absent")
    assert paths(tmp_path) == ["link", "run"]


def test_leftovers_are_removed(tmp_path: Path) -> None:
    (tmp_path / ".spinlock-0123456789ab.tmp").write_text("")
    with DirectoryLock(tmp_path):
        assert not (tmp_path / ".spinlock-0123456789ab.tmp").exists()


def test_a_directory_that_cannot_be_created_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="a part of its path is a file"), DirectoryLock(tmp_path / "file" / "run"):
        pass


def test_a_directory_is_set_aside_with_all_files_and_stays_locked(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for number in ("1", "3"):
        (tmp_path / f"run.{number}").mkdir()
    with DirectoryLock(run) as lock:
        (run / "old").write_text("1")
        assert lock.set_aside() == tmp_path / "run.2"
        with pytest.raises(OutputError, match="is being written by process"):
            check_unlocked(run)
        check_unlocked(tmp_path / "run.2")
        (run / "new").write_text("2")
    assert paths(tmp_path) == ["run", "run.1", "run.2", "run.2/old", "run.3", "run/new"]


def test_a_directory_that_cannot_be_renamed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(source: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refused)
    with DirectoryLock(tmp_path / "run") as lock, pytest.raises(OutputError, match="no permission to write there"):
        lock.set_aside()
    assert paths(tmp_path) == []
