"""Pages of unusual tables and models: few rows, one category, many categories, unusable labels, equal rows, samples."""

from pathlib import Path

import numpy as np
import pytest

import spinlock as sl
from spinlock.evaluation.evaluation import Evaluation
from spinlock.plots.codebooks.page import codebook_page
from spinlock.plots.files import picture_files
from spinlock.plots.report.page import evaluation_page
from tests.cli.workspace import NAMES, small_table
from tests.evaluation.conftest import SETTINGS
from tests.plots.pages import Structure
from tests.tables import low_rank_table, write_table

MANY = 40
LEAST = {"factors": [{"num_codes": 3}, {"num_codes": 2}, {"num_codes": 2}], "min_features_per_category": 1}


@pytest.fixture(scope="module")
def tokenizer() -> sl.Tokenizer:
    return sl.Tokenizer.fit(small_table(240), SETTINGS, feature_names=NAMES, validation_fraction=0.3)


def page_of(result: Evaluation) -> str:
    """The text of the page, after checks of its structure and size."""
    page = evaluation_page(result)
    assert len(page) < 10 * 2**20
    assert "nan" not in page.partition("</style>")[2].lower().replace("nanotime", "").split()
    return Structure(page).text


@pytest.mark.parametrize("rows", [2, 3, 20])
def test_few_rows(tokenizer: sl.Tokenizer, rows: int) -> None:
    text = page_of(sl.evaluate(tokenizer, small_table(240, seed=5)[:rows]))
    assert f"Only {rows} rows are measured, so that all numbers are uncertain." in text


def test_one_category() -> None:
    table = low_rank_table(np.random.default_rng(0), 120, 6, 2)
    tokenizer = sl.Tokenizer.fit(table, SETTINGS | {"num_categories_auto": 1})
    text = page_of(sl.evaluate(tokenizer, table))
    assert "1 category" in text
    assert "there is one category only" in text.lower()


def test_forty_categories() -> None:
    table = np.random.default_rng(0).standard_normal((160, MANY)).astype(np.float32)
    tokenizer = sl.Tokenizer.fit(table, SETTINGS | LEAST | {"num_categories_auto": MANY})
    assert f"{MANY} categories" in page_of(sl.evaluate(tokenizer, table))


def test_names_with_dollar_signs_and_markup_are_text(tmp_path: Path) -> None:
    names = [r"$\frac{a$", "cost $a$ and $b$", "<b>&amp;", *(f"c_{j}" for j in range(9))]
    values = [[r"$\frac{b$", "$x$", "<script>alert(1)</script>"][j % 3] for j in range(240)]
    labels = {r"gain_$_per_$": values, "$y$": np.linspace(0, 1, 240) ** 2}
    path = write_table(tmp_path / "names.h5", small_table(240), names, labels=labels)
    tokenizer = sl.Tokenizer.fit(str(path), SETTINGS, validation_fraction=0.3)
    text = page_of(sl.evaluate(tokenizer, path))
    assert r"$\frac{a$" in text
    assert r"gain_$_per_$" in text
    page = codebook_page(sl.describe_codebooks(tokenizer, path))
    assert r"$\frac{b$" in Structure(page.html).text
    assert "<script>alert" not in page.html
    picture_files(page.pictures)


def test_a_label_with_fewer_than_two_rows_of_a_class_is_not_probed(tokenizer: sl.Tokenizer, tmp_path: Path) -> None:
    values = [f"value {j // 2}" for j in range(240)]
    path = write_table(tmp_path / "classes.h5", small_table(240), NAMES, labels={"many": values})
    result = sl.evaluate(tokenizer, path, sections=["discriminability"])
    assert result.discriminability is not None
    assert "too few for probes" in result.discriminability.skipped["many"]


def test_unusable_labels(tokenizer: sl.Tokenizer, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = {
        "some are missing": np.where(random.random(240) < 0.3, np.nan, random.standard_normal(240)),
        "mixed types": [["1", "a", "", "2.5", "nan"][j % 5] for j in range(240)],
        "many values": [f"value {j}" for j in random.integers(100, size=240).tolist()],
        "all are missing": [""] * 240,
    }
    path = write_table(tmp_path / "table.h5", small_table(240, seed=2), NAMES, labels=labels)
    result = sl.evaluate(tokenizer, path, sections=["discriminability"])
    assert result.discriminability is not None
    assert {each.name for each in result.discriminability.attributes} == set(labels) - {"all are missing"}
    assert "no row has a value" in page_of(result)


def test_equal_rows_and_a_dead_codebook(tokenizer: sl.Tokenizer) -> None:
    table = small_table(240, seed=3)
    table[: 240 * 3 // 10] = table[0]
    text = page_of(sl.evaluate(tokenizer, table))
    assert "30% of the evaluated rows are copies of another one" in text
    constant = page_of(sl.evaluate(tokenizer, np.repeat(table[:1], 120, axis=0)))
    assert "9 codebooks carry no bits, because one code has almost all rows" in constant
    assert "100% of the evaluated rows are copies of another one" in constant


def test_a_sample_is_named(tokenizer: sl.Tokenizer) -> None:
    table = np.tile(small_table(240, seed=3), (3, 1))
    text = page_of(sl.evaluate(tokenizer, table, max_rows=150, sections=["aliasing"]))
    assert "a random sample of 150 of the 720 rows" in text
    assert "random sample of 150 of 720 rows" in text
