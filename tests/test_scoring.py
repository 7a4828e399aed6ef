"""Evaluation of a tokenizer on its training table, on other tables, and on tables with other columns."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from scipy.stats import rankdata

import spinlock as sl
from spinlock.errors import DataError
from spinlock.evaluation.report import make_report
from tests.cli.workspace import NAMES, SMALL, small_table
from tests.tables import write_table

X = small_table(240)
TRAINING, OTHER = X[:160], X[160:]
evaluate = partial(sl.evaluate, sections=())
CONFIG = {key: value for key, value in SMALL.items() if key not in ("input_path", "output_dir")}


@pytest.fixture(scope="module", params=["local", "joint"])
def tokenizer(request: pytest.FixtureRequest) -> sl.Tokenizer:
    return sl.Tokenizer.fit(TRAINING, CONFIG, feature_names=NAMES, assignment=request.param)


def test_the_report_of_the_training_table_has_the_metrics_of_the_run(tokenizer: sl.Tokenizer, tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.h5", TRAINING, NAMES)
    for table in (TRAINING, torch.from_numpy(TRAINING), pandas.DataFrame(TRAINING, columns=NAMES), path):
        report = evaluate(tokenizer, table)
        assert report.rows == "validation"
        assert report.metrics == tokenizer.metrics


def test_targets_and_advice_match_the_metrics(tokenizer: sl.Tokenizer) -> None:
    report = evaluate(tokenizer, TRAINING)
    assert [(target.metric, target.value) for target in report.targets] == [
        (name, report.metrics[name])
        for name in (
            "reconstruction_quality",
            "codebook_utilization",
            "inter_category_orthogonality",
            "topographic_correlation",
        )
    ]
    assert set(report.advice) == {target.metric for target in report.targets if not target.met}
    assert "reconstruction_quality" in report.advice


def test_a_saved_tokenizer_has_the_same_report(tokenizer: sl.Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "model.pt")
    assert evaluate(sl.Tokenizer.load(tmp_path / "model.pt"), TRAINING).metrics == tokenizer.metrics


def test_all_rows_of_another_table_are_evaluated(tokenizer: sl.Tokenizer) -> None:
    report = evaluate(tokenizer, pandas.DataFrame(OTHER, columns=NAMES))
    assert report.rows == "all"
    cleaner = tokenizer.checkpoint.cleaner
    rows = [
        cleaner.to_z_scores(cleaner.transform(x).values) for x in (OTHER, tokenizer.decode(tokenizer.encode(OTHER)))
    ]
    quality = 1 - np.square(rows[0] - rows[1]).sum() / np.square(rows[0]).sum()
    assert report.metrics["reconstruction_quality"] == pytest.approx(quality, abs=2e-3)
    tokens = tokenizer.encode(OTHER)
    sizes = [size for sizes in tokenizer.codebook_sizes.values() for size in sizes]
    used = [len(np.unique(column)) / size for column, size in zip(tokens.T, sizes, strict=True)]
    assert report.metrics["codebook_utilization"] == pytest.approx(np.mean(used))


def test_rank_quality_of_another_table_equals_that_of_scipy_ranks(tokenizer: sl.Tokenizer) -> None:
    other = OTHER.copy()
    other[0] *= 1e4  # one row far outside, of which encoding clips all values
    report = sl.evaluate(tokenizer, other)
    train = TRAINING[tokenizer.checkpoint.split.train].astype(np.float64)
    ranks = (rankdata(train, axis=0) - 0.5) / len(train)
    true, decoded = (
        np.column_stack([np.interp(x[:, j], *np.sort([train[:, j], ranks[:, j]])) for j in range(12)])
        for x in (other, tokenizer.decode(tokenizer.encode(other)))
    )
    expected = 1 - np.square(true - decoded).sum() / np.square(true - 0.5).sum()
    assert report.metrics["rank_quality"] == pytest.approx(expected, abs=1e-6)
    assert report.metrics["extreme_rows"]["largest"][0]["row"] == 0
    assert report.metrics["extreme_rows"]["num_rows"] == len(OTHER)


def test_notes_name_the_extreme_rows_of_the_evaluated_table() -> None:
    heavy = X.copy()
    heavy[::10] *= 50
    settings = {**CONFIG, "normalization_method": "standard", "num_categories_auto": 2}
    tokenizer = sl.Tokenizer.fit(heavy[:160], settings, feature_names=NAMES)
    report = sl.evaluate(tokenizer, heavy[160:])
    assert report.rows == "all"
    assert report.metrics["reconstruction_quality"] - report.metrics["rank_quality"] > 0.1
    (note,) = report.notes
    named = [int(text) for text in re.findall(r"(\d+) \(", note.partition("in the rows ")[2])]
    assert len(named) == 5
    assert all(row % 10 == 0 for row in named)
    assert named == [entry["row"] for entry in report.metrics["extreme_rows"]["largest"]]


def test_a_checkpoint_without_training_quantiles_has_no_rank_quality(tokenizer: sl.Tokenizer) -> None:
    checkpoint = tokenizer.checkpoint
    earlier = sl.Tokenizer(replace(checkpoint, cleaner=replace(checkpoint.cleaner, ranks=None)))
    for table in (TRAINING, OTHER):
        report = sl.evaluate(earlier, table)
        assert report.metrics["rank_quality"] is None
        assert set(report.metrics["rank_quality_by_feature"].values()) == {None}
        assert "rank_quality is not known" in report.notes[0]
    assert (earlier.encode(OTHER) == tokenizer.encode(OTHER)).all()


def test_columns_are_matched_by_name(tokenizer: sl.Tokenizer, rng: np.random.Generator) -> None:
    order = rng.permutation(12)
    frame = pandas.DataFrame(OTHER[:, order], columns=np.array(NAMES)[order]).assign(extra=1.0)
    assert evaluate(tokenizer, frame).metrics == evaluate(tokenizer, OTHER).metrics


@pytest.mark.parametrize("max_bytes", [None, 1], ids=["in memory", "in its file"])
def test_the_training_table_with_permuted_and_extra_columns_is_the_training_table(
    tokenizer: sl.Tokenizer, tmp_path: Path, rng: np.random.Generator, max_bytes: int | None
) -> None:
    order = rng.permutation(12)
    columns = np.column_stack([TRAINING[:, order], np.ones(160)])
    path = write_table(tmp_path / "permuted.h5", columns, [*np.array(NAMES)[order], "extra"])
    report = evaluate(tokenizer, sl.read_features(path, max_bytes=max_bytes))
    assert report.rows == "validation"
    if max_bytes is None:
        assert report.metrics == tokenizer.metrics
    else:
        assert report.metrics.keys() == tokenizer.metrics.keys()


def test_metrics_of_training_rows_are_never_measured_on_another_table(tokenizer: sl.Tokenizer) -> None:
    report = evaluate(tokenizer, 1.3 * OTHER[:60] + 0.2)
    trained, measured = tokenizer.metrics, report.metrics
    assert measured.keys() == trained.keys()
    for name in (
        "quality_train",
        "utilization_train",
        "entropy_bits_train",
        "inter_category_orthogonality",
        "orthogonality_clipped",
        "orthogonality_mean",
        "largest_category_share",
        "energy_within_category",
        "bits_per_sample",
    ):
        assert measured[name] == trained[name], name
    for name in ("quality_joint", "share_of_equal_tokens", "gap_db", "orthogonality_validation"):
        assert measured[name] is None, name
    reference = trained["rate_distortion_quality"]
    assert measured["rate_distortion_quality"] == {**reference, "held_out": None}
    assert measured["reconstruction_quality"] != trained["reconstruction_quality"]
    assert report.num_rows == 60


def test_a_large_table_is_sampled(tokenizer: sl.Tokenizer, tmp_path: Path) -> None:
    path = write_table(tmp_path / "large.h5", np.tile(OTHER, (40, 1)), NAMES)
    report = evaluate(tokenizer, sl.read_features(path, max_bytes=1), max_rows=1000)
    assert (report.rows, report.num_rows) == ("sample", 1000)
    whole = evaluate(tokenizer, path)
    assert (whole.rows, whole.num_rows) == ("all", 3200)
    for name in ("reconstruction_quality", "codebook_utilization"):
        assert report.metrics[name] == pytest.approx(whole.metrics[name], abs=0.02)


def test_advice_on_another_table_compares_with_the_training_run(tokenizer: sl.Tokenizer) -> None:
    metrics = {**tokenizer.metrics, "topographic_correlation": 0.99, "reconstruction_quality": 0.5}
    copy = sl.Tokenizer(replace(tokenizer.checkpoint, metrics=metrics))
    advice = evaluate(copy, np.random.default_rng(0).permuted(OTHER, axis=0)).advice
    assert advice["topographic_correlation"].startswith("the validation rows of the training table reach 0.99")
    assert advice["reconstruction_quality"] == make_report(copy.checkpoint, metrics).advice["reconstruction_quality"]


def test_the_model_of_a_stopped_run_has_no_metrics_of_training_rows(tokenizer: sl.Tokenizer) -> None:
    report = evaluate(sl.Tokenizer(replace(tokenizer.checkpoint, metrics={})), OTHER)
    assert report.metrics["inter_category_orthogonality"] is report.metrics["quality_train"] is None
    assert report.advice["inter_category_orthogonality"].startswith("the training run was stopped")


@pytest.mark.parametrize(("table", "words"), [(OTHER[:0], "the table has no row"), (OTHER[:1], "the table has 1 row;")])
def test_a_table_without_rows_is_refused(tokenizer: sl.Tokenizer, table: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        evaluate(tokenizer, table)
    with pytest.raises(DataError, match=r"max_rows is 1\.5; expected an integer"):
        evaluate(tokenizer, OTHER, max_rows=1.5)  # type: ignore[arg-type]


def test_an_unknown_section_is_refused(tokenizer: sl.Tokenizer) -> None:
    with pytest.raises(DataError, match="sections contains 'compresion'; expected some of compression"):
        sl.evaluate(tokenizer, OTHER, sections=["compresion"])


def test_evaluation_does_not_change_the_tokenizer(tokenizer: sl.Tokenizer) -> None:
    before, tokens = tokenizer.sha256(), tokenizer.encode(OTHER)
    evaluate(tokenizer, OTHER)
    assert tokenizer.sha256() == before
    np.testing.assert_array_equal(tokenizer.encode(OTHER), tokens)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pandas.DataFrame(OTHER[:, :10], columns=NAMES[:10]), "2 of 12 columns are missing: c_10, c_11"),
        (OTHER[:, :10], "12 distinct feature names for 10 columns"),
        (OTHER[0], "1 dimensions"),
        ("nowhere.h5", "nowhere.h5: no such file"),
    ],
)
def test_a_table_with_other_columns_is_refused(tokenizer: sl.Tokenizer, table: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        evaluate(tokenizer, table)
