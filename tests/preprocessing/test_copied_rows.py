"""Validation rows that are copies of training rows are counted, and more than 1 % of them is a warning."""

from pathlib import Path

import numpy as np
import pytest

import spinlock as sl
from spinlock.preprocessing.copied_rows import copied_fraction, copied_rows_warning
from tests.training.runs import config, curved_table, plan_of, trained_run, write_table_in


def test_the_fraction_counts_rows_that_are_equal_in_all_columns() -> None:
    train = np.arange(40, dtype=np.float32).reshape(10, 4)
    validation = np.stack([train[3], train[3] + 1, train[9], train[0][::-1]])
    assert copied_fraction(train, validation) == 0.5


@pytest.mark.parametrize("max_table_mb", [None, 0.001], ids=["in memory", "streamed"])
def test_repeated_rows_are_a_warning_with_the_remedy(tmp_path: Path, max_table_mb: float | None) -> None:
    write_table_in(tmp_path, np.tile(curved_table(40), (10, 1)))
    warning = copied_rows_warning(plan_of(config(tmp_path, max_table_mb=max_table_mb)).data)
    assert "% of the validation rows equal a training row" in warning
    assert "split_by" in warning
    assert warning.startswith("at least") == (max_table_mb is not None)


def test_the_metrics_have_the_fraction(tmp_path: Path) -> None:
    write_table_in(tmp_path, np.tile(curved_table(40), (10, 1)))
    assert trained_run(config(tmp_path, epochs=0)).metrics["copied_validation_rows"] > 0.9


def test_distinct_rows_are_no_warning(tmp_path: Path) -> None:
    write_table_in(tmp_path)
    assert copied_rows_warning(plan_of(config(tmp_path)).data) == ""


def test_fit_issues_a_warning() -> None:
    rows = np.tile(curved_table(40), (10, 1))
    with pytest.warns(sl.SpinlockWarning, match="split_by") as caught:
        sl.Tokenizer.fit(rows, epochs=0)
    assert caught[0].filename == __file__
