"""Atomic writing of files: replacement, errors, permissions, and refused targets."""

import errno
import os
from pathlib import Path

import pytest

from spinlock.errors import OutputError
from spinlock.io.atomic import check_writable, replacing, write_files, writing


def all_paths(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def one_line(caught: pytest.ExceptionInfo[OutputError]) -> str:
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_write_files_creates_files_and_their_folders(tmp_path: Path) -> None:
    write_files({tmp_path / "a" / "b" / "one": b"1", tmp_path / "two": b"2"})
    assert all_paths(tmp_path) == ["a", "a/b", "a/b/one", "two"]
    assert (tmp_path / "two").read_bytes() == b"2"


def test_new_files_have_the_permissions_of_the_umask(tmp_path: Path) -> None:
    write_files({tmp_path / "one": b"1"})
    (tmp_path / "plain").write_bytes(b"1")
    assert (tmp_path / "one").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failure_before_the_renaming_changes_no_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").write_bytes(b"old")
    writes = []

    def full_on_the_second(path: Path, data: bytes) -> None:
        path.write_bytes(data)
        writes.append(path)
        if len(writes) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing, "_write_synced", full_on_the_second)
    with pytest.raises(OutputError) as caught:
        write_files({tmp_path / "one": b"new", tmp_path / "sub" / "two": b"new"})
    assert f"{tmp_path / 'sub' / 'two'}: cannot be written: no space is left" in one_line(caught)
    assert all_paths(tmp_path) == ["one"]
    assert (tmp_path / "one").read_bytes() == b"old"


def test_an_interrupt_leaves_no_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(path: Path, data: bytes) -> None:
        path.write_bytes(data)
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "_write_synced", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_files({tmp_path / "sub" / "one": b"1"})
    assert all_paths(tmp_path) == []


@pytest.mark.parametrize("below", ["file/x", "file/sub/x"])
def test_a_path_below_a_regular_file_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    for operation in (
        lambda path: write_files({path: b""}),
        lambda path: check_writable(path, overwrite=True),
    ):
        with pytest.raises(OutputError) as caught:
            operation(tmp_path / below)
        assert "a part of its path is a file, not a directory" in one_line(caught)


def test_directories_and_devices_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"folder: cannot be written: is a directory; choose a file name"):
            check_writable(tmp_path / "folder", overwrite=overwrite)
        with pytest.raises(OutputError, match=r"/dev/null: is not a regular file"):
            check_writable("/dev/null", overwrite=overwrite)
    with pytest.raises(OutputError, match="is a directory"):
        write_files({tmp_path / "one": b"1", tmp_path / "folder": b""})
    with pytest.raises(OutputError, match="is not a regular file"):
        write_files({Path("/dev/null"): b""})
    assert all_paths(tmp_path) == ["folder"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        *("/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/../dev/fd/1", "//dev/stdout", "/dev/full"),
        *("/proc/self/fd/1", "/proc/thread-self/fd/1", "/proc/<process>/fd/1", "/proc/self/task/<process>/fd/1"),
        *("fifo", "link to stdout", "link to a link", "link to a folder/1", "link to a fifo"),
    ],
)
def test_streams_and_pipes_are_refused_although_a_stream_may_be_a_regular_file(
    tmp_path: Path, name: str, overwrite: bool
) -> None:
    os.mkfifo(tmp_path / "fifo")
    for link, target in {
        "link to stdout": "/dev/stdout",
        "link to a link": "link to stdout",
        "link to a folder": "/proc/self/fd",
        "link to a fifo": "fifo",
    }.items():
        (tmp_path / link).symlink_to(target)
    before, path = all_paths(tmp_path), f"{tmp_path}/" * (name[0] != "/") + name.replace("<process>", str(os.getpid()))
    with (tmp_path / "log").open("w") as regular:
        saved = os.dup(1)
        os.dup2(regular.fileno(), 1)
        try:
            with pytest.raises(OutputError) as checked:
                check_writable(path, overwrite=overwrite)
            with pytest.raises(OutputError) as written:
                write_files({Path(path): b"content"}, overwrite=overwrite)
        finally:
            os.dup2(saved, 1)
            os.close(saved)
    assert "is not a regular file; choose another output" in one_line(checked)
    assert "is not a regular file; choose another output" in one_line(written)
    assert (tmp_path / "log").read_bytes() == b""
    assert all_paths(tmp_path) == sorted([*before, "log"])


def test_names_longer_than_the_limit_of_the_file_system_are_refused(tmp_path: Path) -> None:
    write_files({tmp_path / ("x" * 255): b"1"})
    for operation in (
        lambda path: write_files({path: b""}),
        lambda path: check_writable(path, overwrite=False),
    ):
        with pytest.raises(OutputError, match="the name is too long; choose a shorter one"):
            operation(tmp_path / ("x" * 256))


def test_a_symbolic_link_is_kept_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("disk/real")
    write_files({tmp_path / "link": b"new"})
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "disk" / "real").read_bytes() == b"new"


def write_half_and_raise(target: Path, failure: BaseException) -> None:
    with replacing(target) as temporary:
        temporary.write_bytes(b"half")
        raise failure


def test_replacing_renames_on_success_only(tmp_path: Path) -> None:
    target = tmp_path / "new" / "out"
    for failure in (ZeroDivisionError(), KeyboardInterrupt()):
        with pytest.raises(type(failure)):
            write_half_and_raise(target, failure)
        assert all_paths(tmp_path) == []
    with replacing(target) as temporary:
        assert temporary.parent == target.parent
        temporary.write_bytes(b"whole")
        assert not target.exists()
    assert all_paths(tmp_path) == ["new", "new/out"]
    assert target.read_bytes() == b"whole"


def test_replacing_reports_a_full_disk_and_passes_other_errors_on(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="out: cannot be written: no space is left on the device"):
        write_half_and_raise(tmp_path / "out", OSError(errno.ENOSPC, "full"))
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        write_half_and_raise(tmp_path / "out", FileNotFoundError(errno.ENOENT, "absent", "elsewhere"))
    with pytest.raises(PermissionError, match="elsewhere"):
        write_half_and_raise(tmp_path / "out", PermissionError(errno.EACCES, "closed", "elsewhere"))
    assert all_paths(tmp_path) == []


def test_existing_targets_need_overwrite(tmp_path: Path) -> None:
    target = tmp_path / "out"
    check_writable(target, overwrite=False)
    target.write_bytes(b"")
    with pytest.raises(OutputError, match="out: exists already; pass overwrite=True to replace it"):
        check_writable(target, overwrite=False)
    check_writable(target, overwrite=True)
    assert all_paths(tmp_path) == ["out"]


def test_an_input_is_not_overwritten_under_any_of_its_names(tmp_path: Path) -> None:
    source = tmp_path / "in.h5"
    source.write_bytes(b"")
    (tmp_path / "link").symlink_to(source)
    (tmp_path / "hard").hardlink_to(source)
    for name in ("in.h5", "link", "hard", "../" + tmp_path.name + "/in.h5"):
        with pytest.raises(OutputError, match="is also the input; choose another output"):
            check_writable(tmp_path / name, overwrite=True, inputs=[tmp_path / "absent", source])


def test_folders_without_write_permission_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        check_writable("/proc/spinlock/out", overwrite=False)
    assert "/proc/spinlock/out: cannot be written" in one_line(caught)
    with pytest.raises(OutputError):
        write_files({Path("/proc/spinlock/out"): b""})
    if os.geteuid() != 0:
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(OutputError, match="no permission to write there"):
            check_writable(tmp_path / "closed" / "out", overwrite=False)


@pytest.mark.parametrize("name", ["loop", "loop/x", "loop/a/x", "pair"])
@pytest.mark.parametrize("overwrite", [True, False])
def test_a_link_that_leads_back_to_itself_is_refused_and_kept(tmp_path: Path, name: str, overwrite: bool) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "pair").symlink_to("other")
    (tmp_path / "other").symlink_to("pair")
    refused = "symbolic link that leads back to itself; choose another output"
    with pytest.raises(OutputError, match=refused):
        check_writable(tmp_path / name, overwrite=overwrite)
    with pytest.raises(OutputError, match=refused):
        write_files({tmp_path / name: b""}, overwrite=overwrite)
    with pytest.raises(OutputError, match=refused), replacing(tmp_path / name, overwrite=overwrite):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["loop", "other", "pair"]
    assert all(path.is_symlink() for path in tmp_path.iterdir())
