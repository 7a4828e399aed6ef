"""The result of an evaluation as JSON, its schema, and the selected epoch."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

import spinlock as sl
from spinlock.evaluation.best_epoch import BestEpoch
from spinlock.evaluation.evaluation import Evaluation
from spinlock.evaluation.metric_descriptions import METRIC_DESCRIPTIONS, describe_metrics, list_metrics
from spinlock.evaluation.sections import SECTIONS
from tests.evaluation.conftest import Case

DOCS = Path(__file__).resolve().parents[2] / "docs"
SCHEMA, PAGE = DOCS / "metrics.schema.json", DOCS / "evaluation.md"


@pytest.fixture(scope="module")
def result(case: Case) -> Evaluation:
    return sl.evaluate(case.tokenizer, case.table)


def test_the_json_contains_every_section(result: Evaluation) -> None:
    content = json.loads(result.to_json())
    assert content["format_version"] == 1
    assert {name for name in SECTIONS if content[name] is None} == {"shift", "churn"}
    assert content["targets"][0].keys() == {"metric", "value", "threshold", "above", "met"}
    assert content["metrics"]["quality_by_category"].keys() == set(content["metrics"]["quality_by_category"])
    assert content["setup"]["same_table"]


def test_the_json_can_be_read_as_the_result(result: Evaluation) -> None:
    content = {key: value for key, value in result.to_dict().items() if key != "format_version"}
    for target in content["targets"]:
        del target["met"]
    assert TypeAdapter(Evaluation).validate_python(content).to_dict() == result.to_dict()


def test_the_schema_and_the_page_describe_the_result(result: Evaluation) -> None:
    schema = json.loads(SCHEMA.read_text())
    assert schema == describe_metrics(TypeAdapter(Evaluation).json_schema())
    assert schema["properties"].keys() == result.to_dict().keys()
    assert set(schema["required"]) <= schema["properties"].keys()
    assert PAGE.read_text().endswith(list_metrics())


def test_every_metric_is_described(case: Case, result: Evaluation) -> None:
    assert result.metrics.keys() == METRIC_DESCRIPTIONS.keys()
    other = sl.evaluate(case.tokenizer, case.table[:50], sections=())
    assert other.metrics.keys() == METRIC_DESCRIPTIONS.keys()


def test_values_that_are_not_finite_are_null(result: Evaluation) -> None:
    changed = replace(result, metrics={"a": math.inf, "b": [math.nan, np.float32(1)], "c": (1, None)})
    assert changed.to_dict()["metrics"] == {"a": None, "b": [None, 1.0], "c": [1, None]}


def test_sections_that_are_not_requested_are_none(case: Case) -> None:
    result = sl.evaluate(case.tokenizer, case.table, sections=())
    assert all(getattr(result, name) is None for name in SECTIONS)


def test_sections_are_measured_in_order(case: Case) -> None:
    seen: list[str] = []
    sl.evaluate(case.tokenizer, case.table, sections=["aliasing", "compression"], advance=seen.append)
    assert seen == ["targets", "rows", "compression", "aliasing"]


def test_more_rows_than_max_rows_are_sampled(case: Case) -> None:
    result = sl.evaluate(case.tokenizer, case.table, sections=[], max_rows=20)
    assert (result.num_rows, result.setup.num_rows, result.setup.sampled) == (72, 20, True)


@pytest.mark.parametrize(
    ("epoch", "other", "text"),
    [
        (3, 0.9, "epoch 3 of 5 was selected (quality 0.8000; 0.7000 at epoch 0)"),
        (0, 0.65, "the best quality of the later epochs was 0.6500"),
        (0, None, "epoch 0 of 5 was selected (quality 0.8000; 0.7000 at epoch 0)"),
        (-1, None, "no epoch was validated"),
    ],
)
def test_the_selected_epoch_is_explained(epoch: int, other: float | None, text: str) -> None:
    assert text in BestEpoch(epoch, 5, 0.1, 0.8, 0.7, other).text
