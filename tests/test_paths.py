"""Paths that users give: the home directory, and values that are no paths."""

import os
from pathlib import Path
from typing import Any

import pytest

from spinlock.config import config_from_mapping
from spinlock.errors import ConfigError, DataError
from spinlock.io.atomic import check_writable, replacing, write_files
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
    assert user_path("~no-such-user/x") == Path("~no-such-user/x")
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


def test_outputs_are_written_to_the_home_directory(home: Path) -> None:
    write_files({Path("~/one"): b"1"})
    with replacing("~/two") as temporary:
        temporary.write_bytes(b"2")
    assert sorted(path.name for path in home.iterdir()) == ["one", "two"]
    assert not Path("~").exists()
