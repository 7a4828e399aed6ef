"""The history of a run: columns of equal length, written as JSON and as JSON lines."""

import json

import pytest

from spinlock.checkpoint.history import History


def test_missing_values_of_a_metric_are_none() -> None:
    history = History()
    history.append({"epoch": 0, "loss": 1.0})
    history.append({"epoch": 1, "val_loss": 2.0})
    history.append({"epoch": 2, "loss": 3.0})
    assert history.columns == {"epoch": [0, 1, 2], "loss": [1.0, None, 3.0], "val_loss": [None, 2.0, None]}
    assert len(history) == 3


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_stored_as_none(value: float) -> None:
    history = History()
    history.append({"loss": value})
    assert history.columns["loss"] == [None]
    assert json.loads(history.to_json()) == {"loss": [None]}


def test_json_and_jsonl_hold_the_same_epochs() -> None:
    history = History()
    history.append({"epoch": 0, "b": 0.1})
    history.append({"epoch": 1, "a": 1e-30, "b": 2})
    columns = json.loads(history.to_json())
    lines = [json.loads(line) for line in history.to_jsonl().decode().splitlines()]
    assert columns == history.columns
    assert lines == list(history.records()) == [{"a": None, "b": 0.1, "epoch": 0}, {"a": 1e-30, "b": 2, "epoch": 1}]


def test_metrics_are_written_in_alphabetical_order() -> None:
    history = History()
    history.append({"z": 1, "a": 2, "m": 3})
    assert list(json.loads(history.to_json())) == list(history.columns) == ["a", "m", "z"]


def test_an_empty_history_can_be_written() -> None:
    assert len(History()) == 0
    assert json.loads(History().to_json()) == {}
    assert History().to_jsonl() == b""


def test_append_does_not_change_the_columns_passed_to_the_constructor() -> None:
    columns: dict[str, list[float | int | None]] = {"epoch": [0]}
    history = History(columns)
    history.append({"epoch": 1})
    assert columns == {"epoch": [0]}
