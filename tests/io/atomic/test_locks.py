"""Locks: one holder at a time, its name in the error, release by death, and file systems without locks."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spinlock.errors import OutputError
from spinlock.io.atomic import check_writable, locks, replacing, write_files
from spinlock.io.atomic.locks import acquire, holder, lock_path, output_id, try_acquire

HOLDER = """
import sys, time
from pathlib import Path
from spinlock.io.atomic import replacing
sys.argv = ["spinlock", "encode-to-tokens", "a\\x1b]0;b"]
with replacing(Path("out")) as temporary:
    temporary.write_bytes(b"half")
    print("ready", flush=True)
    time.sleep(600)
"""


@contextmanager
def writer(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is writing the file ``out``."""
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return lock_path(tmp_path, output_id("out"))


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.0)


def test_a_second_writer_is_refused_with_the_name_of_the_first(tmp_path: Path, no_wait: None) -> None:
    with writer(tmp_path) as process:
        expected = rf"out: is being written by process {process.pid} \(spinlock encode-to-tokens 'a\?\]0;b'\); wait"
        before = names(tmp_path)
        for attempt in (
            lambda: write_files({tmp_path / "out": b"other"}),
            lambda: check_writable(tmp_path / "out", overwrite=True),
            lambda: replacing(tmp_path / "out").__enter__(),
        ):
            with pytest.raises(OutputError, match=expected):
                attempt()
        assert names(tmp_path) == before
        write_files({tmp_path / "another": b"1"})


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_writer_holds_nothing_and_its_file_is_replaced(tmp_path: Path, number: int) -> None:
    with writer(tmp_path) as process:
        process.send_signal(number)
        process.wait()
    assert len(names(tmp_path)) == 2
    check_writable(tmp_path / "out", overwrite=False)
    write_files({tmp_path / "out": b"new"}, overwrite=False)
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out").read_bytes() == b"new"


def test_a_stopped_writer_still_holds_its_lock(tmp_path: Path, no_wait: None) -> None:
    with writer(tmp_path) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(OutputError, match="is being written"):
            write_files({tmp_path / "out": b"new"})


def test_a_lock_is_exclusive_within_a_process_too(path: Path, no_wait: None) -> None:
    lock = acquire(path, "out")
    assert lock.is_exclusive
    assert try_acquire(path) is None
    assert holder(path) is not None
    lock.release()
    assert holder(path) is None
    assert not path.exists()
    acquire(path, "out").release()


def test_an_interrupt_directly_after_a_lock_was_closed_does_not_close_it_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.close

    def interrupted_close(descriptor: int) -> None:
        original(descriptor)
        raise KeyboardInterrupt

    lock = acquire(path, "out")
    monkeypatch.setattr(os, "close", interrupted_close)
    with pytest.raises(KeyboardInterrupt):
        lock.release()
    lock.release()  # as the cleanup after the interrupt does
    assert not path.exists()


def test_a_lock_that_is_released_soon_is_waited_for(path: Path) -> None:
    lock = acquire(path, "out")
    timer = threading.Timer(0.1, lock.release)
    timer.start()
    acquire(path, "out").release()
    timer.join()


def test_many_writers_of_one_file_leave_one_whole_content(tmp_path: Path) -> None:
    contents = [bytes([number]) * 100_000 for number in range(8)]
    threads = [threading.Thread(target=write_files, args=({tmp_path / "out": content},)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "out").read_bytes() in contents
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'{"pid": "x"}', b"\xff", json.dumps({"pid": None, "host": 1}).encode()]
)
def test_a_damaged_description_is_no_error(path: Path, no_wait: None, content: bytes) -> None:
    lock = acquire(path, "out")
    path.write_bytes(content)
    with pytest.raises(OutputError, match="out: is being written by another process; wait"):
        acquire(path, "out")
    lock.release()


def test_the_host_is_named_if_it_is_another_one(path: Path, no_wait: None) -> None:
    lock = acquire(path, "out")
    path.write_text(json.dumps({"pid": 7, "host": "node12", "command": "spinlock generate"}))
    with pytest.raises(OutputError, match=r"by process 7 on node12 \(spinlock generate\)"):
        acquire(path, "out")
    lock.release()


def test_a_link_in_place_of_a_lock_is_not_followed(tmp_path: Path, path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    path.symlink_to("mine")
    with pytest.raises(OutputError, match="out: cannot be written"):
        write_files({tmp_path / "out": b"1"})
    assert (tmp_path / "mine").read_text() == "precious"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_written_with_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    def unsupported(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", unsupported)
    monkeypatch.setattr(locks._Warned, "without_locks", False)
    leftover = tmp_path / ".spinlock-0123456789ab.tmp"
    leftover.write_text("perhaps in use")
    with replacing(tmp_path / "out") as one, replacing(tmp_path / "out") as other:
        assert one != other
        one.write_bytes(b"one")
        other.write_bytes(b"other")
    assert names(tmp_path) == [leftover.name, "out"]
    assert (tmp_path / "out").read_bytes() == b"one"
    assert [record.getMessage() for record in caplog.records] == [
        f"note: the file system of {tmp_path} has no locks; do not write one output with two commands at the same time"
    ]
