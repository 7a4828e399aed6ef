"""Category discovery without training: the categories, their scores and stability, and the mapping file."""

import json
from pathlib import Path

import numpy as np
import pandas
import pytest

import spinlock as sl
from spinlock.errors import ConfigError, DataError, OutputError
from tests.cli.workspace import NAMES
from tests.tables import low_rank_table, write_table

RNG = np.random.default_rng(0)
X = np.concatenate([low_rank_table(RNG, 200, 4, 1, noise=0.4) for _ in range(3)], axis=1)
"""Three blocks of four columns, each of rank 1: the columns of :data:`PLANTED`."""
TABLE = pandas.DataFrame(np.column_stack([X, np.full(len(X), 3.0)]), columns=[*NAMES, "steady"])
SETTINGS = {"num_categories_auto": 3, "orthogonality_target": 0.9}
PLANTED = {"a": tuple(NAMES[:4]), "b": tuple(NAMES[4:8]), "c": tuple(NAMES[8:])}


@pytest.fixture(scope="module")
def categories() -> sl.Categories:
    return sl.discover_categories(TABLE, SETTINGS, stability=4)


def test_planted_categories_are_discovered_with_names_and_columns(categories: sl.Categories) -> None:
    assert {name: tuple(sorted(columns)) for name, columns in categories.columns.items()} == {
        name: tuple(sorted(columns)) for name, columns in PLANTED.items()
    }
    assert categories.names == tuple(categories.columns)
    assert categories.dropped == {"steady": "constant: 3"}
    assert categories.path == "<memory>"


def test_the_summary_has_the_chosen_partition_among_the_candidates(categories: sl.Categories) -> None:
    summary = categories.summary
    assert summary.target == 0.9
    assert summary.meets_target
    assert summary.chosen.num_categories == 3
    assert summary.chosen in summary.candidates
    assert 0 < summary.chosen.cosine < 0.9


def test_the_second_cosine_is_that_of_columns_that_are_clipped_further(categories: sl.Categories) -> None:
    validation = np.random.default_rng(42).permutation(200)[:20]
    rows = np.delete(TABLE.to_numpy(np.float64), validation, axis=0)
    for percentile in (0.1, 0.5):
        rows = rows.clip(*np.percentile(rows, [percentile, 100 - percentile], axis=0))
    names = list(TABLE.columns)
    groups = [np.array([names.index(column) for column in members]) for members in categories.columns.values()]
    expected = sl.metrics.max_centroid_cosine(sl.metrics.correlation_matrix(rows), groups)
    assert categories.clipped_cosine == pytest.approx(expected, abs=5e-7)
    assert categories.clipped_cosine != pytest.approx(categories.summary.chosen.cosine, abs=5e-6)


def test_stability_of_planted_categories_is_high_and_computed_only_on_request(categories: sl.Categories) -> None:
    assert categories.stability is not None
    assert categories.stability.adjusted_rand.shape == (4,)
    assert categories.stability.adjusted_rand.min() > 0.9
    assert categories.agreement is not None
    assert list(categories.agreement) == list(categories.columns)
    assert all(0.9 < value <= 1 for value in categories.agreement.values())
    without = sl.discover_categories(TABLE, SETTINGS)
    assert without.stability is None
    assert without.agreement is None
    assert without.columns == categories.columns


def test_the_agreement_of_a_category_is_the_mean_over_its_columns() -> None:
    noise = np.random.default_rng(1).standard_normal((len(X), 6))
    frame = pandas.DataFrame(np.column_stack([X, noise]), columns=[*NAMES, *(f"noise_{j}" for j in range(6))])
    discovered = sl.discover_categories(frame, num_categories_auto=4, orthogonality_target=1.0, stability=6)
    assert discovered.agreement is not None
    assert discovered.stability is not None
    columns = [column for members in discovered.columns.values() for column in members]
    assert discovered.stability.column_agreement.shape == (18,)
    by_column = dict(zip(columns, discovered.stability.column_agreement, strict=True))
    for name, members in discovered.columns.items():
        assert discovered.agreement[name] == pytest.approx(np.mean([by_column[column] for column in members]))
    planted = [by_column[column] for column in NAMES]
    assert np.mean(planted) > np.mean([by_column[f"noise_{j}"] for j in range(6)]) + 0.1


def test_every_kind_of_table_gives_the_same_categories(categories: sl.Categories, tmp_path: Path) -> None:
    path = write_table(tmp_path / "table.h5", TABLE.to_numpy(np.float32), list(TABLE.columns))
    for table in (path, sl.read_features(path), sl.read_features(TABLE)):
        assert sl.discover_categories(table, SETTINGS).columns == categories.columns
    named = sl.discover_categories(config={**SETTINGS, "input_path": str(path)}, table=path)
    assert named.path == str(path)


def test_keywords_override_the_configuration() -> None:
    assert len(sl.discover_categories(TABLE, {"num_categories_auto": 2}, num_categories_auto=3).names) == 3
    with pytest.raises(ConfigError, match="did you mean num_categories_auto"):
        sl.discover_categories(TABLE, num_categories_aut=3)  # type: ignore[call-arg]


def test_the_saved_file_works_as_a_category_mapping_file(categories: sl.Categories, tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    categories.save(path)
    tokenizer = sl.Tokenizer.fit(
        TABLE, category_assignment="manual", category_mapping_file=path, epochs=0, device="cpu"
    )
    assert tokenizer.categories == categories.columns
    again = sl.discover_categories(TABLE, category_assignment="manual", category_mapping_file=path)
    assert again.columns == categories.columns


def test_the_saved_file_has_scores_and_stability_as_comments(categories: sl.Categories, tmp_path: Path) -> None:
    categories.save(tmp_path / "map.json")
    content = json.loads((tmp_path / "map.json").read_text())
    assert {name: tuple(columns) for name, columns in content.items() if name[0] != "_"} == categories.columns
    assert content["_dropped"] == categories.dropped
    assert content["_meets_target"] is True
    assert content["_orthogonality_target"] == 0.9
    assert content["_chosen"] in content["_candidates"]
    assert len(content["_candidates"]) == len(categories.summary.candidates)
    assert content["_stability"]["draws"] == 4
    assert content["_stability"]["adjusted_rand"] == pytest.approx(categories.stability.adjusted_rand, abs=1e-4)
    assert set(content["_stability"]["column_agreement"]) == set(NAMES)


def test_an_existing_file_is_replaced_only_on_request(categories: sl.Categories, tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        categories.save(path)
    assert path.read_text() == "mine"
    categories.save(path, overwrite=True)
    assert json.loads(path.read_text())


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"stability": -1}, "stability is -1; expected 0 or more"),
        (
            {"stability": 2, "category_assignment": "manual", "category_mapping_file": "map.json"},
            "stability with category_assignment manual",
        ),
        ({"num_categories_auto": 9}, "num_categories_auto = 9"),
    ],
)
def test_invalid_requests_are_refused(keywords: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        sl.discover_categories(TABLE, **keywords)  # type: ignore[arg-type]
