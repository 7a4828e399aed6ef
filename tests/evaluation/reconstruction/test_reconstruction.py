"""Errors of rows, worst rows with their causes, and shifts, against NumPy and SciPy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ks_2samp

from spinlock.evaluation.reconstruction.section import measure_reconstruction
from spinlock.evaluation.reconstruction.shift import measure_shift
from spinlock.evaluation.reconstruction.worst_rows import nearest_distances
from spinlock.evaluation.reference import half_as_reference
from spinlock.evaluation.rows import EvaluatedRows
from tests.evaluation.conftest import Case


def encoded(case: Case, raw: np.ndarray) -> EvaluatedRows:
    positions = np.arange(len(raw))
    return case.rows.coder.evaluated(raw, positions, positions)


def errors_of(case: Case) -> np.ndarray:
    return case.tokenizer.checkpoint.validation.errors.numpy()


def test_errors_are_root_mean_squares(case: Case) -> None:
    result = measure_reconstruction(case.rows, case.reference, errors_of(case), seed=0)
    errors = np.sqrt(case.rows.error.astype(np.float64))
    assert result.error_median == pytest.approx(np.median(errors), abs=1e-9)
    assert result.error_95 == pytest.approx(np.quantile(errors, 0.95), abs=1e-9)
    assert result.error_max == errors.max()
    assert result.drift is None
    assert sum(result.histogram.rows) == pytest.approx(1)
    assert sum(result.histogram.validation) == pytest.approx(1)
    np.testing.assert_allclose(result.histogram.rows, result.histogram.validation, atol=0.03)


def test_quality_by_category_is_that_of_the_metrics(case: Case) -> None:
    result = measure_reconstruction(case.rows, case.reference, errors_of(case), seed=0)
    last = {name: levels[-1] for name, levels in result.quality_by_category_and_level.items()}
    assert last == pytest.approx(case.tokenizer.metrics["quality_by_category"], abs=1e-6)
    assert list(last.values()) == sorted(last.values())


def test_drift_of_rows_with_more_noise(case: Case, rng: np.random.Generator) -> None:
    raw = case.table + rng.standard_normal(case.table.shape).astype(np.float32)
    rows = encoded(case, raw)
    drift = measure_reconstruction(rows, half_as_reference(rows, 0), errors_of(case), seed=0).drift
    assert drift is not None
    errors, known = np.sqrt(rows.error.astype(np.float64)), np.sqrt(errors_of(case).astype(np.float64))
    assert drift.distance == pytest.approx(ks_2samp(errors, known).statistic, abs=1e-9)
    assert drift.share_above == (errors > np.quantile(known, 0.95)).mean()
    assert drift.share_above > 0.2
    assert drift.median_ratio == pytest.approx(np.median(errors) / np.median(known))


def test_worst_rows_have_their_causes(case: Case) -> None:
    raw = case.table[case.rows.positions].copy()
    raw[7, :4] = np.nan
    raw[11] = 40 * raw[11]
    rows = encoded(case, raw)
    result = measure_reconstruction(rows, case.reference, errors_of(case), seed=0)
    worst = {row.row: row for row in result.worst}
    assert result.worst[0].error == pytest.approx(result.error_max)
    assert [row.error for row in result.worst] == sorted((row.error for row in result.worst), reverse=True)
    clipped = " ".join(worst[11].causes)
    assert "outside the training range and were clipped" in clipped
    assert "unlike the training rows" in clipped
    assert worst[11].clipped > 0.5
    assert worst[11].columns[0].column in case.tokenizer.feature_names
    assert result.imputed == pytest.approx(4 / (12 * len(raw)))


def test_missing_values_are_named_as_a_cause(case: Case) -> None:
    raw = case.table[case.rows.positions].copy()
    raw[:, :3] = np.nan
    result = measure_reconstruction(encoded(case, raw), case.reference, errors_of(case), seed=0)
    assert "25% of its values are missing and were imputed" in result.worst[0].causes


def test_nearest_distances_skip_the_row_itself(rng: np.random.Generator) -> None:
    points = rng.standard_normal((6, 3)).astype(np.float32)
    squared = np.square(points[:, None] - points[None]).mean(2) + np.diag(np.full(6, np.inf))
    np.testing.assert_allclose(nearest_distances(points, points, skip_equal=True), np.sqrt(squared.min(1)), rtol=1e-6)
    np.testing.assert_allclose(nearest_distances(points, points, skip_equal=False), 0, atol=1e-6)


def test_a_shifted_column_is_the_first_one(case: Case) -> None:
    raw = case.table[case.rows.positions].copy()
    raw[:, 5] = raw[:, 5] + 2 * case.tokenizer.cleaner.std[5]
    other = encoded(case, raw)
    shift = measure_shift(case.rows, other, "other.h5")
    first = shift.columns[0]
    assert first.column == case.tokenizer.feature_names[5]
    expected = ks_2samp(case.rows.z_scores[:, 5], other.z_scores[:, 5]).statistic
    assert first.distance == pytest.approx(expected, abs=1e-9)
    assert 1 < first.mean_shift <= 2
    assert shift.share_of_shifted_columns == pytest.approx(1 / 12)
    assert shift.noise_distance == pytest.approx(1.36 * np.sqrt(2 / len(raw)))
    assert shift.errors is not None
    assert len(shift.tokens_by_category) == 3


def test_the_same_rows_have_no_shift(case: Case) -> None:
    shift = measure_shift(case.rows, case.rows, "same.h5")
    assert shift.share_of_shifted_columns == 0
    assert max(shift.tokens_by_category.values()) == 0
    assert shift.quality == pytest.approx(case.tokenizer.metrics["reconstruction_quality"], abs=1e-6)


def test_a_constant_error_has_a_histogram(case: Case) -> None:
    rows = replace(case.rows, error=np.full(len(case.rows), 0.25, dtype=np.float32))
    result = measure_reconstruction(rows, case.reference, np.full(5, 0.25, dtype=np.float32), seed=0)
    assert sum(result.histogram.rows) == 1
