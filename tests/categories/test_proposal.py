"""Automatic, manual and hybrid categories. Every kept column is in exactly one category."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spinlock.categories.proposal import Categorization, propose
from spinlock.config import CategorySettings
from spinlock.errors import DataError
from tests.training.specs import GROUPS

NAMES = tuple(f"{group}_{j}" for group, size in (("flow", 12), ("heat", 7), ("spin", 5)) for j in range(size))


def planted_rows(columns: list[int]) -> NDArray[np.float64]:
    """Rows whose columns have a correlation of 0.7 within a planted group and 0.05 between groups."""
    owner = np.repeat([0, 1, 2], [len(group) for group in GROUPS])[columns]
    correlation = np.where(owner[:, None] == owner, 0.7, 0.05) + 0.3 * np.eye(len(columns))
    centered = np.linalg.qr(np.eye(len(columns) + 1) - 1 / (len(columns) + 1))[0][:, : len(columns)]
    return centered @ np.linalg.cholesky(correlation).T


def flat_score(partitions: Sequence[NDArray[np.int64]]) -> list[float]:
    return [0.5] * len(partitions)


def choose_categories(kept: list[int] | None = None, **settings: Any) -> Categorization:
    kept = list(range(24)) if kept is None else kept
    rules = CategorySettings.model_validate(settings)
    return propose(rules, planted_rows(kept), kept, NAMES).choose(flat_score)


def mapping_file(folder: Path, mapping: dict[str, Any]) -> Path:
    path = folder / "categories.json"
    path.write_text(json.dumps(mapping))
    return path


def assert_partition(categories: Categorization, columns: int = 24) -> None:
    assert sorted(j for group in categories.groups for j in group) == list(range(columns))
    sizes = [len(group) for group in categories.groups]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(categories.names)) == len(categories.groups)


class TestAutomatic:
    def test_planted_groups_are_discovered_and_named(self) -> None:
        categories = choose_categories(num_categories_auto=3, orthogonality_target=0.9)
        assert categories.groups == GROUPS
        assert categories.names == ("flow", "heat", "spin")
        assert categories.notes == ()

    def test_every_column_is_in_one_category_and_the_largest_is_first(self) -> None:
        assert_partition(choose_categories())

    def test_groups_index_the_kept_columns_only(self) -> None:
        kept = [j for j in range(24) if j not in (0, 13)]
        categories = choose_categories(kept, num_categories_auto=3, orthogonality_target=0.9)
        assert_partition(categories, 22)
        assert categories.names == ("flow", "heat", "spin")
        assert [len(group) for group in categories.groups] == [11, 6, 5]

    def test_more_categories_than_possible_are_an_error(self) -> None:
        with pytest.raises(DataError, match="20"):
            choose_categories(num_categories_auto=20)


class TestManual:
    def test_the_file_assigns_columns_by_names_and_indices(self, tmp_path: Path) -> None:
        path = mapping_file(tmp_path, {"odd": [1, 3, 5], "rest": [NAMES[j] for j in range(24) if j not in (1, 3, 5)]})
        categories = choose_categories(category_assignment="manual", category_mapping_file=path)
        assert categories.names == ("rest", "odd")
        assert categories.groups[1] == (1, 3, 5)
        assert_partition(categories)

    def test_many_columns_without_a_category_are_named_in_part(self, tmp_path: Path) -> None:
        path = mapping_file(tmp_path, {"some": list(range(17))})
        with pytest.raises(
            DataError, match=r"7 columns are in no category: heat_5, heat_6, spin_0,.* and 2 more"
        ) as error:
            choose_categories(category_assignment="manual", category_mapping_file=path)
        assert "set category_assignment to hybrid" in str(error.value)
        assert str(path) in str(error.value)

    def test_a_few_columns_without_a_category_are_all_named(self, tmp_path: Path) -> None:
        path = mapping_file(tmp_path, {"some": list(range(22))})
        with pytest.raises(DataError, match="2 columns are in no category: spin_3, spin_4;"):
            choose_categories(category_assignment="manual", category_mapping_file=path)

    def test_dropped_columns_are_removed_with_a_note(self, tmp_path: Path) -> None:
        path = mapping_file(tmp_path, {"flow": list(range(12)), "other": list(range(12, 24))})
        kept = [j for j in range(24) if j not in (2, 3)]
        categories = choose_categories(kept, category_assignment="manual", category_mapping_file=path)
        assert categories.names == ("other", "flow")
        assert categories.groups == (tuple(range(10, 22)), tuple(range(10)))
        assert categories.notes == ("category flow: 2 of 12 columns were dropped by the cleaning",)

    def test_a_category_whose_columns_are_all_dropped_is_removed_with_a_note(self, tmp_path: Path) -> None:
        path = mapping_file(tmp_path, {"gone": [0, 1], "stays": list(range(2, 24))})
        categories = choose_categories(list(range(2, 24)), category_assignment="manual", category_mapping_file=path)
        assert categories.names == ("stays",)
        assert categories.notes == ("category gone: 2 of 2 columns were dropped by the cleaning",)
        assert_partition(categories, 22)

    def test_dropped_columns_need_no_category(self, tmp_path: Path) -> None:
        path = mapping_file(tmp_path, {"all": list(range(1, 24))})
        categories = choose_categories(list(range(1, 24)), category_assignment="manual", category_mapping_file=path)
        assert categories.notes == ()

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ('{"a": ["nothing"]}', "unknown columns: nothing"),
            ('{"a": [24]}', "unknown columns: 24; expected names or indices 0 to 23"),
            ('{"a": [0], "b": ["flow_0"]}', r"columns occur more than once: flow_0 \(in a and b\)"),
            ('{"a": []}', r"category 'a' is \[\]"),
            ('{"a b": [0]}', "category name 'a b' cannot be used"),
            ("[1, 2]", "is a JSON list"),
            ("{", "cannot be read as JSON"),
            ("{}", "contains no category"),
            ('{"a": [0], "a": [1]}', "'a' occurs twice"),
        ],
    )
    def test_a_fault_of_the_file_is_an_error_of_one_line_that_names_the_file(
        self, tmp_path: Path, content: str, message: str
    ) -> None:
        path = tmp_path / "categories.json"
        path.write_text(content)
        with pytest.raises(DataError, match=message) as error:
            choose_categories(category_assignment="manual", category_mapping_file=path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)

    def test_a_missing_file_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no such mapping file"):
            choose_categories(category_assignment="manual", category_mapping_file=tmp_path / "none.json")


class TestHybrid:
    def test_fixed_categories_are_kept_and_the_others_are_discovered(self, tmp_path: Path) -> None:
        path = mapping_file(tmp_path, {"mine": [0, 1, 12, 13]})
        categories = choose_categories(
            category_assignment="hybrid",
            category_mapping_file=path,
            num_categories_auto=3,
            orthogonality_target=0.99,
        )
        assert_partition(categories)
        groups = dict(zip(categories.names, categories.groups, strict=True))
        assert groups["mine"] == (0, 1, 12, 13)
        assert len(groups) == 4

    def test_a_file_with_all_columns_gives_all_categories(self, tmp_path: Path) -> None:
        path = mapping_file(tmp_path, {"a": list(range(20)), "b": list(range(20, 24))})
        categories = choose_categories(category_assignment="hybrid", category_mapping_file=path)
        assert categories.names == ("a", "b")
        assert categories.groups == (tuple(range(20)), tuple(range(20, 24)))

    def test_a_discovered_category_does_not_take_the_name_of_a_fixed_one(self, tmp_path: Path) -> None:
        path = mapping_file(tmp_path, {"flow": [12, 13, 14]})
        categories = choose_categories(
            category_assignment="hybrid", category_mapping_file=path, num_categories_auto=2, orthogonality_target=0.99
        )
        assert_partition(categories)
        assert dict(zip(categories.names, categories.groups, strict=True))["flow"] == (12, 13, 14)
