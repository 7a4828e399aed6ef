"""The page of a description of codebooks, and its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from spinlock.evaluation.codebooks.colorings import Coloring
from spinlock.evaluation.codebooks.description import CodebookDescription
from spinlock.evaluation.codebooks.findings import codebook_findings
from spinlock.evaluation.codebooks.map_points import column_prefix
from spinlock.plots.codebooks import cards, columns, summary, training
from spinlock.plots.codebooks.code_maps import draw_usage
from spinlock.plots.codebooks.row_maps import MAX_CLASSES, draw_rows
from spinlock.plots.codebooks.thumbnails import make_thumbnails
from spinlock.plots.render import render
from spinlock.plots.theme import themed
from spinlock.plots.view import Picture, Table, View

MAX_UMAP, UNFOLDED = 6, 4
"""Maximum number of UMAP maps, and number of maps of each kind that are not folded."""

MIN_EXCESS = 0.1
"""Minimum agreement above chance of a label in the first picture."""


@dataclass(frozen=True)
class CodebookPage:
    """The page, and its pictures.

    Attributes
    ----------
    html
        HTML that makes no request, opens from a disk and follows the light or dark theme of the reader.
    pictures
        The pictures, of which :func:`spinlock.plots.files.picture_files` makes files.
    """

    html: str
    pictures: tuple[Picture, ...]


def codebook_page(result: CodebookDescription) -> CodebookPage:
    """Draw a description of codebooks.

    Parameters
    ----------
    result
        The description.

    Returns
    -------
    CodebookPage
    """
    with themed():
        categories = cards.make_categories(result)
        thumbnails = make_thumbnails(result.snapshots, cards.pictured_operators(categories))
        best = _best_coloring(result)
        views = [
            *(_map_views(result, best) if result.maps else ()),
            columns.view(result.columns, result.selection),
            cards.view(result, thumbnails, with_usage=bool(result.maps)),
            training.view(result.history, result.best_epoch),
        ]
        hero = draw_rows(result.maps[0], best) if result.maps else draw_usage(result.code_maps)
        html = render(
            "codebooks.html.jinja",
            setup=result.setup,
            verdict=summary.verdict(result),
            rows=summary.rows(result),
            main_facts=summary.main_facts(result),
            facts=summary.short_facts(result),
            findings=codebook_findings(result),
            hero=hero,
            views=views,
            categories=categories,
            thumbnails=thumbnails,
            label=result.label,
        )
        drawn = [picture for view in views for picture in (*view.pictures, *view.folded)]
        return CodebookPage(html, (hero, *drawn, *(category.picture for category in categories)))


def _best_coloring(result: CodebookDescription) -> Coloring:
    """Return the coloring of the first picture: a label of few classes, else a number, else any label, else a token."""

    def rank(coloring: Coloring) -> tuple[int, float]:
        few = not coloring.is_numeric and len(coloring.classes) <= MAX_CLASSES
        order = 0 if coloring.kind == "token" else 3 if few else 2 if coloring.is_numeric else 1
        return order if coloring.excess > MIN_EXCESS else 0, coloring.excess * coloring.known_fraction

    return max(result.colorings, key=rank)


def _map_views(result: CodebookDescription, best: Coloring) -> Iterator[View]:
    """Yield a section for each map of rows."""
    reasons = list(result.skipped.items())
    skipped = (
        [Table("Labels and parameters that do not color a map", ("name", "reason"), reasons, text=True)]
        if reasons
        else []
    )
    for row_map in result.maps:
        key = column_prefix(row_map.name)
        is_first = row_map is result.maps[0]
        colorings = [coloring for coloring in _ordered(result) if not (is_first and coloring is best)]
        pictures = [draw_rows(row_map, coloring) for coloring in colorings[: None if is_first else MAX_UMAP]]
        settings = ", ".join(f"{name} {value:g}" for name, value in row_map.settings.items())
        remark = f"{row_map.name} of the z-scored, clipped features, from their principal components: {settings}."
        finding, tables = _finding(result, is_first), skipped if is_first else []
        yield View(key, row_map.name, finding, pictures[:UNFOLDED], tables, [remark], pictures[UNFOLDED:])


def _ordered(result: CodebookDescription) -> list[Coloring]:
    """Return labels and parameters in turn with tokens, so that the first pictures show both."""
    tokens = [coloring for coloring in result.colorings if coloring.kind == "token"]
    others = [coloring for coloring in result.colorings if coloring.kind != "token"]
    pairs = zip_longest(others, tokens)
    return [coloring for pair in pairs for coloring in pair if coloring is not None]


def _finding(result: CodebookDescription, is_first: bool) -> str:
    """Return the main result of a map."""
    if not is_first:
        return "The same rows by UMAP. What both maps show is less likely to be an artifact of one method."
    sentences = [f"Maps of {len(result.rows):,} rows by their features."]
    clearest = result.clearest_token
    if clearest is not None:
        sentences.append(
            f"Of all categories, {clearest.name.removesuffix('.L0')} has the first token that neighbors share most "
            f"often: {clearest.agreement:.0%} of the nearest rows have the same code, {clearest.chance:.0%} by chance."
        )
    return " ".join([*sentences, "Distances between distant groups have no meaning."])
