"""Mapping files: a round trip, and a message for each fault."""

import json
from pathlib import Path
from typing import Any

import pytest

from spinlock.categories.mapping import load_mapping, save_mapping
from spinlock.errors import DataError

NAMES = ["ux_mean", "ux_rms", "p_mean", "p_rms", "7"]


def write_mapping(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "mapping.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_save_and_load_are_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "mapping.json"
    path.write_bytes(save_mapping({"velocity": ["ux_rms", "ux_mean"], "p": ["p_rms"]}, {"target": 0.25}))
    assert load_mapping(path, NAMES) == {"velocity": [1, 0], "p": [3]}
    assert json.loads(path.read_text(encoding="utf-8"))["_target"] == 0.25


def test_columns_can_be_names_or_indices(tmp_path: Path) -> None:
    path = write_mapping(tmp_path, {"_comment": "free text", "a": [0, "p_mean"], "b": ["7", 3]})
    assert load_mapping(path, NAMES) == {"a": [0, 2], "b": [4, 3]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"mapping\.json: cannot be read as JSON"),
        ('{"a": [0], "a": [1]}', r"cannot be read as JSON \('a' occurs twice\)"),
        ("[" * 100_000, r"cannot be read as JSON"),
        ([1, 2], r"is a JSON list; expected \{name: \[columns\]\}"),
        ({}, r"contains no category"),
        ({"_only": "comments"}, r"contains no category"),
        (
            {"a" * 201: [0]},
            r"category name 'a{50,59} \.\.\. cannot be used; expected at most 200 letters",
        ),
        ({"a/b": [0]}, r"category name 'a/b' cannot be used; expected at most 200 letters, digits, _ and -"),
        ({"": [0]}, r"category name '' cannot be used"),
        ({"a": []}, r"category 'a' is \[\]; expected a list of column names or indices"),
        ({"a": "ux_mean"}, r"category 'a' is 'ux_mean'; expected a list"),
        ({"a": {"ux_mean": 1}}, r"category 'a' is .*; expected a list"),
        ({"a": ["ux", 5, -1, True, None, 1.0]}, r"unknown columns: ux, 5, -1, True, None and 1 more; .* 0 to 4"),
        ({"a": [0], "b": ["ux_mean"]}, r"more than once: ux_mean \(in a and b\)"),
        ({"a": [0, 0]}, r"more than once: ux_mean \(in a and a\)"),
    ],
)
def test_each_fault_of_a_mapping_has_a_message_of_one_line(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_mapping(write_mapping(tmp_path, content), NAMES)
    assert "\n" not in str(caught.value)
    assert "mapping.json" in str(caught.value)


def test_a_missing_file_is_an_error_that_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: no such mapping file; .*discover-categories"):
        load_mapping(tmp_path / "none.json", NAMES)


def test_a_folder_or_binary_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read as JSON"):
        load_mapping(tmp_path, NAMES)
    path = tmp_path / "binary.json"
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(DataError, match="cannot be read as JSON"):
        load_mapping(path, NAMES)
