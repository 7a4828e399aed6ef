"""Columns of equal length, whatever an epoch has to say, as JSON and as lines."""

import json

import pytest

from spinlock.checkpoint.history import History


def test_a_metric_that_appears_late_or_not_always_is_filled_with_none() -> None:
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


def test_both_files_hold_the_same_epochs() -> None:
    history = History()
    history.append({"epoch": 0, "b": 0.1})
    history.append({"epoch": 1, "a": 1e-30, "b": 2})
    columns = json.loads(history.to_json())
    lines = [json.loads(line) for line in history.to_jsonl().decode().splitlines()]
    assert columns == history.columns
    assert lines == list(history.records()) == [{"a": None, "b": 0.1, "epoch": 0}, {"a": 1e-30, "b": 2, "epoch": 1}]


def test_metrics_are_written_in_one_order() -> None:
    history = History()
    history.append({"z": 1, "a": 2, "m": 3})
    assert list(json.loads(history.to_json())) == list(history.columns) == ["a", "m", "z"]


def test_an_empty_history() -> None:
    assert len(History()) == 0
    assert json.loads(History().to_json()) == {}
    assert History().to_jsonl() == b""


def test_a_history_keeps_its_own_lists() -> None:
    columns: dict[str, list[float | int | None]] = {"epoch": [0]}
    history = History(columns)
    history.append({"epoch": 1})
    assert columns == {"epoch": [0]}
