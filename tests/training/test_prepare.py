"""Everything before the first epoch: split, then fit; the same again from the same input."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from spinlock.config import dump_config, load_config
from spinlock.errors import DataError
from spinlock.preprocessing.training_data import read_table
from spinlock.training.prepare import HIDDEN_DIM, Prepared, find_categories, hidden_dim, prepare, resolved_config
from tests.tables import write_table
from tests.training.runs import CPU, column_names, config, curved_table, table_at


def prepared(folder: Path, x: NDArray[np.float32] | None = None, **settings: Any) -> Prepared:
    table_at(folder, x)
    chosen = config(folder, **settings)
    return prepare(read_table(chosen), chosen, CPU)


def assert_same_fit(first: Prepared, second: Prepared) -> None:
    assert first.categories.names == second.categories.names
    assert first.categories.groups == second.categories.groups
    assert first.spec == second.spec
    assert first.sizes == second.sizes
    assert torch.equal(first.data.train, second.data.train)
    assert torch.equal(first.fit_rows, second.fit_rows)
    assert np.array_equal(first.correlation, second.correlation)
    for one, other in zip(_arrays(first), _arrays(second), strict=True):
        np.testing.assert_array_equal(one, other)


def _arrays(subject: Prepared) -> list[NDArray[Any]]:
    screening = subject.data.cleaner.screening
    return [screening.median, screening.lower, screening.upper, screening.mean, screening.std, screening.missing]


@pytest.mark.parametrize("method", ["standard", "rank_gauss"])
def test_validation_rows_change_nothing_that_was_fitted(tmp_path: Path, method: str) -> None:
    x = curved_table()
    before = prepared(tmp_path, x, normalization_method=method)
    rows = before.data.split.validation
    wild = x.copy()
    wild[rows] = 1e6 * np.random.default_rng(1).standard_normal((len(rows), x.shape[1]))
    wild[rows[0]] = np.nan
    after = prepared(tmp_path, wild, normalization_method=method)
    assert np.array_equal(after.data.split.validation, rows)
    assert_same_fit(before, after)
    assert not torch.equal(before.data.validation, after.data.validation)


def test_the_same_input_gives_the_same_bits(tmp_path: Path) -> None:
    first = prepared(tmp_path, num_categories_auto=None)
    again = prepare(first.data.table, first.requested, CPU)
    assert_same_fit(first, again)
    assert torch.equal(first.data.validation, again.data.validation)


def test_rows_of_both_sides_are_the_cleaned_rows_of_the_file(tmp_path: Path) -> None:
    x = curved_table()
    subject = prepared(tmp_path, x)
    data = subject.data
    assert len(data.train) == 216
    assert len(data.validation) == 24
    assert sorted([*data.split.train, *data.split.validation]) == list(range(240))
    np.testing.assert_array_equal(data.train, data.cleaner.transform(x[data.split.train]).values)
    np.testing.assert_array_equal(data.validation, data.cleaner.transform(x[data.split.validation]).values)
    np.testing.assert_array_equal(data.z_scored_train, data.train.double())
    assert data.table.names == tuple(column_names())
    assert data.table.rows_per_operator == 1


@pytest.mark.parametrize(
    ("rows", "width"),
    [(1, 16), (216, 16), (255, 16), (400, 24), (944, 56), (1024, 64), (2048, 128), (100_000, 128)],
)
def test_the_hidden_width_is_a_sixteenth_of_the_rows_in_eights(rows: int, width: int) -> None:
    assert hidden_dim(rows) == width
    assert HIDDEN_DIM == (16, 128)


def test_a_given_hidden_width_is_taken(tmp_path: Path) -> None:
    assert prepared(tmp_path).spec.hidden_dim == 16
    assert prepared(tmp_path, hidden_dim=5).spec.hidden_dim == 5


def test_at_most_fit_rows_are_fitted_on(tmp_path: Path) -> None:
    x = curved_table()
    subject = prepared(tmp_path, x, fit_rows=100)
    assert len(subject.fit_rows) == 100
    assert len(subject.data.train) == 216
    fitted = {tuple(row) for row in subject.fit_rows.tolist()}
    assert fitted < {tuple(row) for row in subject.data.train.tolist()}
    outside = [
        row
        for row, values in zip(subject.data.split.train, subject.data.train.tolist(), strict=True)
        if tuple(values) not in fitted
    ]
    changed = x.copy()
    changed[outside] += 100
    after = prepared(tmp_path, changed, fit_rows=100)
    assert torch.equal(after.fit_rows, subject.fit_rows)
    assert after.spec == subject.spec


def test_rows_of_one_operator_stay_on_one_side(tmp_path: Path) -> None:
    x = curved_table(240).reshape(60, 4, 24)
    write_table(tmp_path / "table.h5", x, column_names(), feature_type="per_trajectory")
    chosen = config(tmp_path, feature_type="per_trajectory")
    subject = prepare(read_table(chosen), chosen, CPU)
    split = subject.data.split
    assert subject.data.table.rows_per_operator == 4
    assert len(split.validation) == 24
    assert not set(split.train // 4) & set(split.validation // 4)


def test_groups_stay_on_one_side(tmp_path: Path) -> None:
    labels = np.arange(240) % 12
    table_at(tmp_path, labels={"family": labels})
    chosen = config(tmp_path, split_by="labels/family")
    split = prepare(read_table(chosen), chosen, CPU).data.split
    assert not set(labels[split.train]) & set(labels[split.validation])


def test_one_group_of_training_rows_is_too_few(tmp_path: Path) -> None:
    table_at(tmp_path, labels={"family": np.arange(240) // 120})
    chosen = config(tmp_path, split_by="labels/family")
    with pytest.raises(DataError, match=r"the training rows are one group; expected at least two.*split by another"):
        prepare(read_table(chosen), chosen, CPU)


def test_a_label_that_is_not_there(tmp_path: Path) -> None:
    table_at(tmp_path)
    with pytest.raises(DataError, match="nothing"):
        read_table(config(tmp_path, split_by="labels/nothing"))


def test_categories_alone_are_those_of_the_whole_preparation(tmp_path: Path) -> None:
    whole = prepared(tmp_path, num_categories_auto=None)
    data, found = find_categories(whole.data.table, whole.requested)
    assert found.groups == whole.categories.groups
    assert found.names == whole.categories.names
    assert torch.equal(data.train, whole.data.train)


def test_the_resolved_configuration_is_complete_and_gives_the_same_run(tmp_path: Path) -> None:
    first = prepared(tmp_path)
    resolved = resolved_config(first.requested, first)
    assert resolved.hidden_dim == first.spec.hidden_dim
    assert resolved.category_factors is not None
    assert tuple(resolved.category_factors) == first.spec.category_names
    again = prepare(first.data.table, resolved, CPU)
    assert first.sizes.automatic
    assert not again.sizes.automatic
    assert_same_fit(first, replace(again, sizes=replace(again.sizes, automatic=True)))
    assert resolved_config(resolved, again) == resolved
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(resolved))
    assert load_config(path) == resolved


def test_the_resolved_configuration_names_the_rate_that_partitions_were_compared_at(tmp_path: Path) -> None:
    """Names of categories alone do not tell: another rate may give others of the same names."""
    rng = np.random.default_rng(15)
    factors = rng.standard_normal((469, 8)) @ rng.standard_normal((8, 35))
    table = (factors + 0.7 * rng.standard_normal(factors.shape)).astype(np.float32)
    write_table(tmp_path / "table.h5", table, names=[f"feature_{j}" for j in range(35)])
    chosen = config(tmp_path, factors=None, num_categories_auto=None, target_quality=0.95)
    first = prepare(read_table(chosen), chosen, CPU)
    resolved = resolved_config(chosen, first)
    assert resolved.comparison_rate == first.comparison_rate > 1
    assert prepare(first.data.table, resolved, CPU).spec == first.spec
