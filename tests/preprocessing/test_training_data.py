"""Cleaned and split tables, the rows that are held in memory, and the fit rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spinlock.config import VQVAEConfig
from spinlock.errors import DataError
from spinlock.io.feature_table import read_features
from spinlock.io.stored_rows import StoredRows
from spinlock.preprocessing.training_data import (
    TrainingData,
    fit_training_data,
    make_training_data,
    read_table,
    sample_fit_rows,
)
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from tests.tables import write_table
from tests.training.runs import CPU, column_names, config, curved_table, write_table_in


def data_of(settings: VQVAEConfig) -> TrainingData:
    """The training data of the table that the configuration names."""
    return fit_training_data(
        read_table(settings), data=settings, cleaning=settings, seed=settings.random_seed, device=CPU, group=SINGLE
    )


def test_training_and_validation_rows_are_the_cleaned_rows_of_the_file(tmp_path: Path) -> None:
    x = curved_table()
    write_table_in(tmp_path, x)
    data = data_of(config(tmp_path))
    assert len(data.train) == 216
    assert len(data.validation) == 24
    assert sorted([*data.split.train, *data.split.validation]) == list(range(240))
    np.testing.assert_array_equal(data.train, data.cleaner.transform(x[data.split.train]).values)
    np.testing.assert_array_equal(data.validation, data.cleaner.transform(x[data.split.validation]).values)
    assert data.table.names == tuple(column_names())
    assert data.table.rows_per_operator == 1
    assert data.groups is None


def test_rows_of_one_operator_stay_on_one_side(tmp_path: Path) -> None:
    x = curved_table(240).reshape(60, 4, 24)
    write_table(tmp_path / "table.h5", x, column_names(), feature_type="per_trajectory")
    data = data_of(config(tmp_path, feature_type="per_trajectory"))
    assert data.table.rows_per_operator == 4
    assert len(data.split.validation) == 24
    assert not set(data.split.train // 4) & set(data.split.validation // 4)


def test_groups_stay_on_one_side(tmp_path: Path) -> None:
    labels = np.arange(240) % 12
    write_table_in(tmp_path, labels={"family": labels})
    data = data_of(config(tmp_path, split_by="labels/family"))
    assert not set(labels[data.split.train]) & set(labels[data.split.validation])
    assert data.groups is not None
    np.testing.assert_array_equal(data.groups, labels)


@pytest.mark.parametrize("label", ["labels/nothing", "nothing"])
def test_a_missing_label_is_an_error_that_names_it(tmp_path: Path, label: str) -> None:
    write_table_in(tmp_path)
    with pytest.raises(DataError, match="nothing"):
        data_of(config(tmp_path).model_copy(update={"split_by": label}))


def test_a_streamed_table_holds_a_sample_of_rows_in_memory(tmp_path: Path) -> None:
    write_table_in(tmp_path, chunks=(2, 24))
    data = data_of(config(tmp_path, max_table_mb=0.02, validation_fraction=0.5, fit_rows=100))
    assert data.streamed
    assert isinstance(data.table.rows, StoredRows)
    assert (len(data.train), len(data.validation)) == (100, 100)
    assert len(data.split.train) == 120
    assert set(data.train_rows) < set(data.split.train)
    for rows, positions in ((data.train, data.train_rows), (data.validation, data.validation_rows)):
        expected = data.cleaner.transform(curved_table()[positions]).values
        torch.testing.assert_close(rows, torch.from_numpy(expected), rtol=0, atol=0)


def test_the_same_split_and_cleaning_give_the_same_data(tmp_path: Path) -> None:
    write_table_in(tmp_path)
    settings = config(tmp_path)
    first = data_of(settings)
    second = make_training_data(
        first.table, first.split, first.cleaner, fit_rows=settings.fit_rows, seed=settings.random_seed, device=CPU
    )
    assert torch.equal(first.train, second.train)
    assert torch.equal(first.validation, second.validation)


class TestFitRows:
    def test_all_rows_are_fit_rows_below_the_limit(self, tmp_path: Path) -> None:
        write_table_in(tmp_path)
        data = data_of(config(tmp_path))
        fitted = sample_fit_rows(data, 1000, 0)
        assert torch.equal(fitted.rows, data.train)
        np.testing.assert_array_equal(fitted.units, data.split.train)

    def test_fit_rows_are_a_seeded_sample_of_the_training_rows_in_their_order(self, tmp_path: Path) -> None:
        write_table_in(tmp_path)
        data = data_of(config(tmp_path))
        fitted, repeated, other = (sample_fit_rows(data, 100, seed) for seed in (0, 0, 1))
        assert len(fitted.rows) == len(set(fitted.units)) == 100
        assert (np.diff(fitted.units) > 0).all()
        expected = data.cleaner.transform(curved_table()[fitted.units]).values
        np.testing.assert_array_equal(fitted.rows, expected)
        np.testing.assert_array_equal(fitted.units, repeated.units)
        assert not np.array_equal(fitted.units, other.units)

    def test_units_are_operators_or_groups(self, tmp_path: Path) -> None:
        x = curved_table(240).reshape(60, 4, 24)
        labels = np.array([f"family {i % 12}" for i in range(60)])
        write_table(
            tmp_path / "table.h5", x, column_names(), feature_type="per_trajectory", labels={"family": labels.tolist()}
        )
        data = data_of(config(tmp_path, feature_type="per_trajectory"))
        np.testing.assert_array_equal(sample_fit_rows(data, 1000, 0).units, data.split.train // 4)
        data = data_of(config(tmp_path, feature_type="per_trajectory", split_by="labels/family"))
        units, families = sample_fit_rows(data, 1000, 0).units, labels[data.split.train // 4]
        pairs = set(zip(units.tolist(), families.tolist(), strict=True))
        assert len(pairs) == len(set(units)) == len(set(families))

    def test_one_group_of_training_rows_is_refused(self, tmp_path: Path) -> None:
        write_table_in(tmp_path, labels={"family": np.arange(240) // 120})
        data = data_of(config(tmp_path, split_by="labels/family"))
        with pytest.raises(
            DataError, match=r"the training rows belong to one group; expected at least two.*split by another"
        ):
            sample_fit_rows(data, 1000, 0)


class TestReadTable:
    def test_read_table_reads_the_configured_table(self, tmp_path: Path) -> None:
        x = curved_table()
        path = write_table_in(tmp_path, x)
        table = read_table(config(tmp_path))
        assert (table.path, table.family, table.feature_type) == (str(path), "sdf", "aggregated")
        np.testing.assert_array_equal(table.rows, x)
        assert table.sha256 == read_features(x).sha256

    @pytest.mark.parametrize(("limit", "held"), [(0.02, False), (0.025, True), (None, True)])
    def test_a_table_above_max_table_mb_stays_in_its_file(
        self, tmp_path: Path, limit: float | None, held: bool
    ) -> None:
        write_table_in(tmp_path)  # 240 rows of 24 columns of 4 bytes are 0.022 MiB
        assert isinstance(read_table(config(tmp_path, max_table_mb=limit)).rows, np.ndarray) == held

    def test_all_processes_use_the_memory_limit_of_the_smallest_one(self, tmp_path: Path) -> None:
        class Smaller(ProcessGroup):
            def all_reduce_min(self, number: int) -> int:
                return min(number, 1000)

        write_table_in(tmp_path)
        assert isinstance(read_table(config(tmp_path), group=Smaller(0, 2)).rows, StoredRows)

    def test_the_recorded_limit_reproduces_whether_the_table_is_streamed(self, tmp_path: Path) -> None:
        write_table_in(tmp_path)
        for limit in (0.02, None):
            data = data_of(config(tmp_path, max_table_mb=limit))
            elsewhere: Any = read_table(config(tmp_path, max_table_mb=data.limit_mb)).rows
            assert isinstance(elsewhere, StoredRows) == data.streamed
