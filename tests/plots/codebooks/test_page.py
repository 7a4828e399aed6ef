"""The page of a description of codebooks: its structure, its pictures, and unusual tables and models."""

import io
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import spinlock as sl
from spinlock.evaluation.codebooks.description import CodebookDescription
from spinlock.plots import render
from spinlock.plots.codebooks.page import CodebookPage, codebook_page
from spinlock.plots.files import picture_files
from spinlock.plots.svg import to_svg
from tests.cli.workspace import NAMES, small_table
from tests.evaluation.conftest import SETTINGS
from tests.plots.pages import REQUESTS, Structure, check_in_browser
from tests.plots.test_edge_cases import LEAST, MANY
from tests.tables import low_rank_table, write_table

ROWS = 240
LABELS: dict[str, Any] = {
    "family": [["heat", "wave", "spin"][j % 3] for j in range(ROWS)],
    "size": small_table(ROWS)[:, 0] ** 2,
    "one": [1] * ROWS,
}


@pytest.fixture(autouse=True)
def _without_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    """UMAP takes half a minute to import; its maps are drawn as those of t-SNE."""
    monkeypatch.setitem(sys.modules, "umap", None)


@pytest.fixture(scope="module")
def tokenizer() -> sl.Tokenizer:
    return sl.Tokenizer.fit(small_table(ROWS), SETTINGS, feature_names=NAMES, validation_fraction=0.3)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with labels, and with the fields of two thirds of the operators."""
    path = write_table(tmp_path_factory.mktemp("table") / "table.h5", small_table(ROWS), NAMES, labels=LABELS)
    operators = np.flatnonzero(np.arange(ROWS) % 3)
    fields = np.random.default_rng(0).standard_normal((len(operators), 4, 2, 6, 5)).astype(np.float32)
    fields[:, :, 1] = np.nan
    fields[0] = np.nan  # an operator that diverged
    with h5py.File(path, "a") as file:
        file["snapshots/fields"] = fields
        file["snapshots/operators"] = operators
        file["snapshots/steps"] = [0, 5, 10, 15]
    return path


@pytest.fixture(scope="module")
def result(tokenizer: sl.Tokenizer, path: Path) -> Iterator[CodebookDescription]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "umap", None)
        made = sl.describe_codebooks(tokenizer, path)
        second = replace(made.maps[0], name="UMAP", settings={"n_neighbors": 15})
        yield replace(made, maps=(*made.maps, second))


@pytest.fixture(scope="module")
def page(result: CodebookDescription) -> CodebookPage:
    return checked_page(result)


ToSvg = Callable[[Figure, str, str], str]


def checked_page(result: CodebookDescription, draw: ToSvg = to_svg) -> CodebookPage:
    """The page, after checks of its structure, its size and its figures."""
    figures: list[Figure] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "to_svg", lambda figure, *rest: figures.append(figure) or draw(figure, *rest))
        page = codebook_page(result)
    assert len(figures) >= 5
    for figure in figures:
        assert figure.axes
        for axes in figure.axes:
            assert axes.has_data() or axes.patches or axes.images, figure.get_suptitle()
    assert len(page.html.encode()) < 10 * 2**20
    assert REQUESTS.search(page.html) is None
    text = Structure(page.html).text
    assert "nan" not in text.partition("prefers-color-scheme")[2].lower().split()
    return page


def text_of(result: CodebookDescription) -> str:
    """The text of the checked page."""
    return Structure(checked_page(result).html).text


def draw_one_of_each_size() -> ToSvg:
    """Draw the first figure of each size and number of axes, which then stands for the others of its kind."""
    drawn: dict[tuple[Any, ...], tuple[str, str]] = {}

    def draw(figure: Figure, title: str, prefix: str) -> str:
        kind = (*figure.get_size_inches(), len(figure.axes))
        if kind not in drawn:
            drawn[kind] = to_svg(figure, title, prefix), prefix
        svg, first_prefix = drawn[kind]
        return svg.replace(f"{first_prefix}-", f"{prefix}-")

    return draw


def test_the_page_is_well_formed_and_makes_no_request(page: CodebookPage) -> None:
    structure = Structure(page.html)
    assert structure.tags.count("h1") == 1
    assert {"h2", "svg", "details", "article", "nav", "footer"} <= set(structure.tags)
    assert len(structure.ids) == len(set(structure.ids))
    assert {"tsne", "umap", "categories", "codes", "training"} <= set(structure.ids)
    assert {link[1:] for link in structure.links if not link.startswith("data:")} <= set(structure.ids)
    assert REQUESTS.search(page.html) is None
    assert not re.search(r"https?://(?!www\.w3\.org/)", page.html)


def test_the_page_names_the_rows(page: CodebookPage) -> None:
    assert f"all {ROWS} rows of the table on which the model was trained" in Structure(page.html).text


def test_without_neighbors_of_other_operators_no_agreement_is_named(
    result: CodebookDescription, page: CodebookPage
) -> None:
    unknown = tuple(replace(each, agreement=float("nan"), chance=float("nan")) for each in result.colorings)
    text = text_of(replace(result, colorings=unknown))
    assert "by chance" not in text
    assert "by chance" in Structure(page.html).text


def test_a_label_without_values_on_the_map_is_drawn(result: CodebookDescription) -> None:
    missing = [
        replace(each, numbers=np.full(ROWS, np.nan), agreement=float("nan")) if each.name == "size" else each
        for each in result.colorings
    ]
    assert "Rows colored by size" in codebook_page(replace(result, colorings=tuple(missing))).html


def test_a_card_has_the_prototype_of_its_code(page: CodebookPage, result: CodebookDescription) -> None:
    text = " ".join(Structure(page.html).text.split())
    used = result.num_codes - result.num_dead_codes
    assert page.html.count('<article class="card">') == used
    for code_map in result.code_maps:
        for prototype in code_map.prototypes:
            for feature, effect in (*prototype.raised, *prototype.lowered):
                assert re.search(rf"{feature} ?{re.escape(f'{effect:+.1f}')}", text)
            if prototype.num_rows:
                rows = [
                    f"{row.position}" + (f" (×{row.copies + 1})" if row.copies else "") for row in prototype.nearest
                ]
                assert f"nearest rows: {', '.join(rows)}" in text


def test_frames_are_parts_of_one_image(page: CodebookPage, result: CodebookDescription) -> None:
    shown = [operator for each in result.code_maps for code in each.prototypes for operator in code.pictured]
    assert shown
    assert all(operator % 3 for operator in shown)
    assert page.html.count('class="thumb"') == len(shown)
    assert page.html.count('url("data:image/png;base64,') == 1
    assert "frames 0, 10, 15" in page.html or "frames 0, 5, 15" in page.html


def test_pictures_are_png_and_svg_files(page: CodebookPage, result: CodebookDescription) -> None:
    files = picture_files(page.pictures)
    stems = {name.rpartition(".")[0] for name in files}
    assert set(files) == {f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")}
    assert {"tsne_label_family", "umap_label_family", "column_tree", "correlation", "training_losses"} <= stems
    assert len([stem for stem in stems if stem.startswith("codes_")]) == len(result.columns.category_names)
    for name, content in files.items():
        if name.endswith("png"):
            assert Image.open(io.BytesIO(content)).width == 3 * 380
        else:
            assert b"<svg" in content
            assert REQUESTS.search(content.decode()) is None


def test_the_page_names_versions_seeds_and_settings(page: CodebookPage) -> None:
    text = Structure(page.html).text
    assert "scikit-learn" in text
    assert re.search(r"perplexity 30, seed \d+", text)
    assert "all rows have the same value" in text


def test_the_page_opens_in_a_browser_without_errors(page: CodebookPage, tmp_path: Path) -> None:
    check_in_browser(page.html, tmp_path)


@pytest.mark.parametrize("rows", [2, 9, 20])
def test_few_rows(tokenizer: sl.Tokenizer, rows: int) -> None:
    text = text_of(sl.describe_codebooks(tokenizer, small_table(ROWS, seed=5)[:rows]))
    assert f"Only {rows} rows are described" in text
    assert ("There are no maps of rows" in text) == (rows < 10)


def test_one_category_without_labels() -> None:
    table = low_rank_table(np.random.default_rng(0), 120, 6, 2)
    tokenizer = sl.Tokenizer.fit(table, SETTINGS | {"num_categories_auto": 1})
    text = text_of(sl.describe_codebooks(tokenizer, table))
    assert "All 6 columns are one category." in text
    assert "The dataset has no label or parameter" in text
    assert "umap-learn is not installed: pip install 'spinlock[umap]'" in text


def test_forty_categories() -> None:
    table = np.random.default_rng(0).standard_normal((160, MANY)).astype(np.float32)
    tokenizer = sl.Tokenizer.fit(table, SETTINGS | LEAST | {"num_categories_auto": MANY})
    page = checked_page(sl.describe_codebooks(tokenizer, table), draw_one_of_each_size())
    structure = Structure(page.html)
    assert f"{MANY} categories" in structure.text
    assert structure.tags.count("svg") > MANY
    assert len(structure.ids) == len(set(structure.ids))


def test_missing_mixed_and_many_label_values(tokenizer: sl.Tokenizer, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    labels = {
        "some are missing": np.where(random.random(600) < 0.3, np.nan, random.standard_normal(600)),
        "mixed types": [["1", "a", "", "2.5", "nan"][j % 5] for j in range(600)],
        "many values": [f"value {j % 200}" for j in range(600)],
        "all are missing": [""] * 600,
    }
    path = write_table(tmp_path / "table.h5", small_table(600, seed=2), NAMES, labels=labels)
    text = text_of(sl.describe_codebooks(tokenizer, path))
    assert "180 other values" in text
    assert "no value" in text
    assert "no row has a value" in text


def test_equal_rows_and_dead_codebooks(tokenizer: sl.Tokenizer) -> None:
    table = small_table(ROWS, seed=3)
    table[: ROWS * 3 // 10] = table[0]
    assert "30% of the rows of the maps are copies of another one" in text_of(sl.describe_codebooks(tokenizer, table))
    constant = text_of(sl.describe_codebooks(tokenizer, np.repeat(table[:1], 120, axis=0)))
    assert "9 codebooks carry no bits, because one code has almost all rows" in constant
    assert "18 of 27 codes have no row" in constant


def test_a_hundred_thousand_rows_are_sampled(tokenizer: sl.Tokenizer) -> None:
    table = np.tile(small_table(ROWS), (420, 1))
    text = text_of(sl.describe_codebooks(tokenizer, table, max_map_rows=1000))
    assert "a random sample of 20,000 of 100,800 rows" in text
    assert "a random sample of 1,000 of 20,000 rows" in text
