"""The structure of the page of an evaluation, and the data of its figures."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import spinlock as sl
from spinlock.evaluation.evaluation import Evaluation
from spinlock.evaluation.reconstruction.section import ErrorDrift
from spinlock.evaluation.sections import SECTIONS
from spinlock.plots.report.page import _hero, _views, evaluation_page
from spinlock.plots.theme import themed
from tests.cli.workspace import NAMES, small_table
from tests.evaluation.conftest import make_case
from tests.plots.pages import REQUESTS, Structure, check_in_browser


@pytest.fixture(scope="module")
def result() -> Evaluation:
    case = make_case(small_table(240), validation_fraction=0.3)
    labels = {
        "family": [["heat", "wave", "spin"][j % 3] for j in range(240)],
        "size": case.table[:, 0] ** 2,
        "one": [1] * 240,
    }
    table = sl.read_features(case.table, feature_names=NAMES, labels=labels)
    other = make_case(small_table(240), validation_fraction=0.3, random_seed=3, num_categories_auto=2)
    return sl.evaluate(case.tokenizer, table, compare=1.5 * case.table[:50], against=other.tokenizer)


@pytest.fixture(scope="module")
def page(result: Evaluation) -> str:
    return evaluation_page(result)


def test_the_page_is_well_formed(page: str) -> None:
    structure = Structure(page)
    assert structure.tags.count("h1") == 1
    assert {"h2", "svg", "details", "table", "nav", "footer"} <= set(structure.tags)
    assert len(structure.ids) == len(set(structure.ids))
    assert {link[1:] for link in structure.links if not link.startswith("data:")} <= set(structure.ids)


def test_the_page_makes_no_request(page: str) -> None:
    assert REQUESTS.search(page) is None
    assert not re.search(r"https?://(?!www\.w3\.org/)", page)


def test_the_page_says_which_rows_were_measured_and_the_verdict(page: str, result: Evaluation) -> None:
    text = Structure(page).text
    assert "the 72 validation rows of the table on which the model was trained" in text
    missed = sum(not target.met for target in result.targets)
    assert f"{4 - missed} of 4 targets are met" in text if missed else "All four targets are met" in text
    for advice in result.advice.values():
        assert f"{advice[:1].upper()}{advice[1:]}." in text


def test_colors_of_figures_follow_the_theme(page: str) -> None:
    style, _, body = page.partition("</style>")
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style
    assert "var(--blue)" in body
    assert "#0072b2" not in body


def test_every_axes_shows_data(result: Evaluation) -> None:
    with themed():
        pictures = [_hero(result), *(picture for view in _views(result) for picture in view.pictures)]
    assert len(pictures) >= 14
    for picture in pictures:
        assert picture.title
        for axes in picture.figure.axes:
            assert axes.has_data() or axes.patches, picture.title


def test_names_of_files_are_escaped(result: Evaluation) -> None:
    name = "<script>alert('x')</script>.h5"
    page = evaluation_page(replace(result, setup=replace(result.setup, table=name)))
    assert name not in page
    assert "&lt;script&gt;alert" in page


def test_copies_drift_aliases_and_samples_are_named(result: Evaluation) -> None:
    assert result.aliasing is not None
    assert result.reconstruction is not None
    changed = replace(
        result,
        aliasing=replace(result.aliasing, num_copied_rows=36, num_aliased_rows=18),
        reconstruction=replace(result.reconstruction, drift=ErrorDrift(0.5, 2.0, 0.4)),
        setup=replace(result.setup, sampled=True, num_rows=72),
    )
    text = Structure(evaluation_page(changed)).text
    assert "50% of the evaluated rows are copies of another one" in text
    assert "25% of the rows share all tokens with a row of other features" in text
    assert "40% of the rows have larger errors than 95% of the validation rows" in text
    assert "random sample of 72 of 72 rows" in text
    assert "Only 72 rows are measured" in text


def test_copied_rows_are_named_first(result: Evaluation) -> None:
    text = Structure(evaluation_page(replace(result, metrics={**result.metrics, "copied_validation_rows": 0.3}))).text
    assert "30% of the validation rows are copies of a training row" in text
    assert "copies of a training row" not in Structure(evaluation_page(result)).text


def test_the_rank_quality_and_the_notes_are_shown(result: Evaluation) -> None:
    text = Structure(evaluation_page(replace(result, notes=("rows 17 and 4 are extreme",)))).text
    assert "rows 17 and 4 are extreme." in text
    assert f"rank_quality {result.metrics['rank_quality']:.4f}" in text
    assert f"orthogonality_clipped {result.metrics['orthogonality_clipped']:.4f}" in text
    for value in result.metrics["rank_quality_by_feature"].values():
        assert f"{value:.3f}" in text


def test_sections_that_are_missing_are_left_out(result: Evaluation) -> None:
    sections = set(SECTIONS) - {"shift", "churn"}
    assert sections <= set(Structure(evaluation_page(result)).ids)
    without = Structure(evaluation_page(replace(result, **dict.fromkeys(SECTIONS))))
    assert not sections & set(without.ids)
    assert "targets" in without.ids


def test_labels_and_reasons_are_named(page: str) -> None:
    text = Structure(page).text
    assert "family" in text
    assert "all rows have the same value" in text


def test_an_injected_dead_codebook_and_a_leaked_label_are_named(result: Evaluation) -> None:
    assert result.health is not None
    assert result.discriminability is not None
    attributes = tuple(replace(each, determined_by=("a_0",)) for each in result.discriminability.attributes[:1])
    changed = replace(
        result,
        health=replace(result.health, zero_bit_codebooks=("spin.L2",), determined_codebooks=("x.L1", "y.L2")),
        discriminability=replace(result.discriminability, attributes=attributes),
    )
    text = Structure(evaluation_page(changed)).text
    assert "The codebook spin.L2 carries no bits, because one code has almost all rows" in text
    assert "2 codebooks carry no bits, because their codes follow from the coarser codes: x.L1, y.L2" in text
    assert "The input column a_0 determines" in text


def test_the_page_opens_in_a_browser_without_errors(page: str, tmp_path: Path) -> None:
    check_in_browser(page, tmp_path)
