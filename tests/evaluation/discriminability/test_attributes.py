"""Labels of all kinds as classes or numbers."""

import numpy as np
import pytest

from spinlock.evaluation.discriminability.attributes import Attribute, make_attribute, make_attributes


def attribute(values: object) -> Attribute:
    made = make_attribute("label", np.array(values))
    assert isinstance(made, Attribute), made
    return made


def test_text_is_classes_and_empty_text_is_missing() -> None:
    made = attribute(["heat"] * 15 + ["wave"] * 10 + ["", "nan", "only one"])
    assert made.classes == ("heat", "wave")
    assert made.present.sum() == 25
    assert set(made.codes[-3:]) == {-1}


def test_few_integers_are_classes_and_other_numbers_are_binned() -> None:
    assert attribute([1, 2] * 20).classes == ("1", "2")
    assert attribute([1.0, 2.0, np.nan] * 20).present.sum() == 40
    made = attribute(np.linspace(0, 1, 80))
    assert made.is_numeric
    np.testing.assert_array_equal(np.bincount(made.codes), np.full(8, 10))
    assert attribute(np.arange(200)).is_numeric


def test_truth_values_are_classes() -> None:
    assert attribute([True, False] * 15).classes == ("0", "1")


def test_mixed_types_are_classes_by_their_text() -> None:
    made = make_attribute("label", np.array([1, "1", "a", None, float("nan")] * 10, dtype=object))
    assert isinstance(made, Attribute)
    assert made.classes == ("1", "a")
    assert made.present.sum() == 30


def test_numbers_in_objects_are_numbers() -> None:
    made = make_attribute("label", np.array([0.5 * j for j in range(40)] + [None], dtype=object))
    assert isinstance(made, Attribute)
    assert made.is_numeric
    assert made.present.sum() == 40


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["a"] * 40, "all rows have the same value"),
        ([""] * 40, "no row has a value"),
        ([f"row {j}" for j in range(40)], "almost every row has its own value"),
        ([*(["a", "b"] * 5), *([""] * 30)], "only 10 rows have a value that another row has too"),
        ([0.5, 0.25, *([np.nan] * 30)], "only 2 rows have a value"),
    ],
)
def test_a_label_that_cannot_be_measured_has_a_reason(values: list[object], reason: str) -> None:
    assert make_attribute("label", np.array(values)) == reason


def test_two_hundred_values_are_classes() -> None:
    made = attribute([f"system {j % 200}" for j in range(600)])
    assert len(made.classes) == 200


def test_labels_come_before_parameters_and_parameters_with_more_values_first() -> None:
    labels = {"b": np.arange(60) % 3, "constant": np.zeros(60)}
    sparse = np.where(np.arange(60) < 30, np.linspace(0, 1, 60), np.nan)
    parameters = {"sparse": sparse, "full": np.linspace(0, 1, 60), "late": sparse[::-1]}
    attributes, skipped = make_attributes(labels, parameters, num_evaluated=40, limit=2)
    assert [each.name for each in attributes] == ["b", "full"]
    assert skipped == {
        "constant": "all rows have the same value",
        "late": "only 10 of the evaluated rows have a value",
        "sparse": "only 2 are measured unless labels are named",
    }
