"""Paths that users give: the home directory, and values that are no paths."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from spinlock.categories.mapping import load_mapping
from spinlock.checkpoint.file import load_checkpoint
from spinlock.checkpoint.latest import latest_checkpoint
from spinlock.config import config_from_mapping, load_config
from spinlock.config.loading import load_dataset_config
from spinlock.errors import ConfigError, DataError, SpinlockError
from spinlock.io.atomic import check_writable, replacing, write_files
from spinlock.io.features import open_features
from spinlock.paths import user_path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def test_the_home_directory_is_expanded(home: Path) -> None:
    assert user_path("~/x") == user_path(Path("~/x")) == home / "x"
    assert user_path("~") == home
    assert user_path("a/~/x") == Path("a/~/x")
    assert user_path("/a/~no-such-user/x") == Path("/a/~no-such-user/x")
    assert user_path(os.fsdecode(b"a\xff")) == Path(os.fsdecode(b"a\xff"))


@pytest.mark.parametrize("value", [None, 3, "", " ", "a\0b", b"bytes", ["x"]])
def test_other_values_are_an_error_with_their_place(value: Any) -> None:
    with pytest.raises(DataError, match=r"^--output: got .*; expected a path that is not empty"):
        user_path(value, "--output")
    with pytest.raises(DataError, match="expected a path"):
        check_writable(value, overwrite=True)


def test_a_configuration_expands_the_home_directory(home: Path) -> None:
    assert config_from_mapping({"output_dir": "~/run"}, where="test").output_dir == home / "run"
    with pytest.raises(ConfigError, match="output_dir"):
        config_from_mapping({"output_dir": ""}, where="test")


@pytest.mark.parametrize("text", ["~no-such-user", "~no-such-user/x.h5"])
def test_an_unknown_user_is_an_error(home: Path, text: str) -> None:
    for give in (user_path, lambda path: check_writable(path, overwrite=True)):
        with pytest.raises(DataError, match="the home directory of ~no-such-user is not known"):
            give(text)
    with pytest.raises(ConfigError, match=r"output_dir: got .*, expected a path"):
        config_from_mapping({"output_dir": text}, where="test")
    assert list(home.parent.iterdir()) == [home]


def test_outputs_are_written_to_the_home_directory(home: Path) -> None:
    write_files({Path("~/one"): b"1"})
    with replacing("~/two") as temporary:
        temporary.write_bytes(b"2")
    assert sorted(path.name for path in home.iterdir()) == ["one", "two"]
    assert not Path("~").exists()


@pytest.fixture
def time_limit() -> Iterator[None]:
    """A test that waits for a pipe is interrupted."""

    def interrupt(*_: object) -> None:
        raise TimeoutError

    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


READERS: dict[str, Callable[[Path], object]] = {
    "configuration": load_config,
    "configuration of generate": load_dataset_config,
    "mapping file": lambda path: load_mapping(path, ["a"]),
    "checkpoint": load_checkpoint,
    "resumed run": latest_checkpoint,
    "dataset": open_features,
}


@pytest.mark.usefixtures("time_limit")
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["pipe", "link", "/dev/zero"])
def test_pipes_and_devices_are_not_opened_as_inputs(tmp_path: Path, reader: str, kind: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    with pytest.raises(SpinlockError, match="is not a regular file"):
        READERS[reader](tmp_path / kind)
