"""Limits of configurations: every number has a maximum, and messages are short, whatever a file contains."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spinlock.config import DatasetConfig, VQVAEConfig, load_config, load_dataset_config
from spinlock.config.loading import MAX_TEXT_BYTES
from spinlock.errors import ConfigError

MAX_MESSAGE = 8000
LOADERS = {VQVAEConfig: load_config, DatasetConfig: load_dataset_config}


def numbers(node: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Place and node of every number in a JSON schema, except of a choice among numbers."""
    if isinstance(node, dict):
        if node.get("type") in ("integer", "number") and "enum" not in node:
            yield place, node
        for key, value in node.items():
            yield from numbers(value, f"{place}.{key}")
    elif isinstance(node, list):
        for value in node:
            yield from numbers(value, place)


@pytest.mark.parametrize("model", LOADERS, ids=lambda model: model.__name__)
def test_every_number_has_a_maximum(model: type[VQVAEConfig] | type[DatasetConfig]):
    nodes = list(numbers(model.model_json_schema()))
    assert len(nodes) > 10
    assert not [place for place, node in nodes if not {"maximum", "exclusiveMaximum"} & node.keys()]


def message_of(path: Path, content: str, model: type = VQVAEConfig, **arguments: Any) -> str:
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        LOADERS[model](path, **arguments)
    assert len(str(caught.value)) < MAX_MESSAGE
    return str(caught.value)


def numeric_keys(model: type[VQVAEConfig] | type[DatasetConfig]) -> list[str]:
    """The keys whose default or alternative to null is a number."""
    properties = model.model_json_schema()["properties"]
    return [
        key
        for key, node in properties.items()
        if {"integer", "number"} & {option.get("type") for option in (node, *node.get("anyOf", ()))}
    ]


@pytest.mark.parametrize("model", LOADERS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("digits", [30, 400, 4200])
@pytest.mark.parametrize("sign", ["", "-"], ids=["positive", "negative"])
def test_integers_of_hundreds_of_digits_are_refused(tmp_path: Path, model: Any, digits: int, sign: str):
    keys = numeric_keys(model)
    assert len(keys) > 5
    for key in keys:
        message = message_of(tmp_path / "c.yaml", f"{key}: {sign}{'9' * digits}", model)
        assert f"{key}: got" in message
        assert "expected" in message


@pytest.mark.parametrize("text", ["epochs: {}", '{{"epochs": {}}}', "factors: [[{}]]"], ids=["YAML", "JSON", "list"])
@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_integers_that_python_does_not_convert_are_counted(tmp_path: Path, text: str, suffix: str):
    if suffix == ".yaml" or text.startswith("{"):
        message = message_of(tmp_path / f"c{suffix}", text.format("9" * 5000))
        assert "has 5,000 digits; expected at most 4,300" in message
        assert "set_int_max" not in message


@pytest.mark.parametrize("value", ["0x" + "f" * 5000, "[0x" + "f" * 5000 + "]"])
def test_integers_that_python_does_not_print_are_described(tmp_path: Path, value: str):
    assert "epochs: got a" in message_of(tmp_path / "c.yaml", f"epochs: {value}")


@pytest.mark.parametrize(
    "content",
    [
        {"x" * 400_000: 1},
        {f"k{i}": 1 for i in range(20_000)},
        {"epochs": "x" * 400_000},
        {"epochs": [[1]] * 50_000},
        {"factors": [{"x" * 1000: 1}] * 3},
        {"category_factors": {f"k{i}": [1, 2, 3] for i in range(10_000)}},
        {"category_factors": {"k" * 100_000: [1, 2, 3]}},
        {"category_factors": {f"k{i}": [{"z" * 90: 1}] * 3 for i in range(500)}},
        {"device": "cuda:" + "9" * 100_000},
        {"category_mapping_file": "m" * 100_000, "category_assignment": "auto"},
    ],
    ids=lambda content: str(content)[:30],
)
def test_long_keys_values_and_lists_of_problems_are_shortened(tmp_path: Path, content: dict[str, Any]):
    message_of(tmp_path / "c.json", json.dumps(content))


def test_problems_that_are_not_listed_are_counted(tmp_path: Path):
    message = message_of(tmp_path / "c.json", json.dumps({f"k{i}": 1 for i in range(1000)}))
    assert ": 1000 problems\n" in message
    assert message.endswith("\n  and 980 more")
    assert message.count("\n") == 21


@pytest.mark.parametrize("text", ["x" * 5000, "x" * 5000 + "=1", "epochs=" + "x" * 5000, "epochs=[" + "x" * 5000])
def test_long_set_arguments_are_shortened(tmp_path: Path, text: str):
    assert len(message_of(tmp_path / "c.json", "{}", set_values=[text])) < 500


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path):
    path = tmp_path / "c.json"
    with path.open("wb") as file:
        file.truncate(10**12)  # a sparse file: it takes no space
    with pytest.raises(ConfigError, match=r"it has more than 500 kB; expected a JSON or YAML configuration"):
        load_config(path)
    path.write_text("{}" + " " * (MAX_TEXT_BYTES - 2))
    assert load_config(path) == VQVAEConfig()
