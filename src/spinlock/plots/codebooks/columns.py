"""Section *categories* of the page: which columns belong together, and why there are this many categories."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from spinlock.evaluation.codebooks.column_tree import ColumnTree
from spinlock.plots.charts import short
from spinlock.plots.theme import BLUE, GREEN, INK, ORANGE, POINT, SEQUENTIAL, WIDTH, new_axes
from spinlock.plots.view import Picture, Table, View, number
from spinlock.sizing.selection import CandidateSummary, SelectionSummary

TREE_HEIGHT, BAND = 170, 15
"""Height of the tree, and of the band of a category below it, in pixels."""

MIN_LABEL = 12
"""Minimum height in pixels of a category's block with a name beside it."""

MEASURES = {
    "silhouette": "silhouette",
    "cosine": "largest cosine",
    "quality": "held-out quality",
}
"""{score of a candidate: name for readers}."""

NOTE = (
    "Candidates of the training run. The green line is the selected number, and the dashed line the target of the "
    "largest cosine between centroids of two categories. Of the candidates below it, the one with the best quality "
    "on held-out rows is selected; the silhouette decides between nearly equal ones."
)
"""How to read the scores."""


def view(columns: ColumnTree, selection: SelectionSummary) -> View:
    """Return the section."""
    count = len(columns.category_names)
    if count == 1:
        finding = f"All {len(columns.names)} columns are one category."
    else:
        kind = "columns" if len(columns.shown) == len(columns.names) else "of the shown columns"
        finding = (
            f"{len(columns.names)} columns form {count} categories. The mean absolute correlation of two {kind} is "
            f"{number(columns.within, 2)} in one category and {number(columns.between, 2)} in two different ones."
        )
    groups = zip(columns.category_names, _members(columns), strict=True)
    members = [(name, str(len(group)), ", ".join(group)) for name, group in groups]
    tables = [Table("Columns of each category", ("category", "number", "columns"), members, text=True)]
    scores = [
        (
            str(each.num_categories),
            each.distance,
            number(each.silhouette),
            number(each.cosine),
            number(each.quality),
            "yes" if each == selection.chosen else "",
        )
        for each in selection.candidates
    ]
    columns_of_scores = ("K", "distance", "silhouette", "largest cosine", "held-out quality", "selected")
    tables.append(Table("Scores of all candidates", columns_of_scores, scores))
    return View("categories", "Categories", finding, [_tree(columns), _heat_map(columns), _scores(selection)], tables)


def _members(columns: ColumnTree) -> Iterator[list[str]]:
    """Yield the names of the columns of each category."""
    for c in range(len(columns.category_names)):
        yield [columns.names[j] for j in np.flatnonzero(columns.categories == c)]


def _shown(columns: ColumnTree) -> str:
    """Return which columns a picture shows."""
    shown, count = len(columns.shown), len(columns.names)
    return f"{count} columns" if shown == count else f"{shown} of {count} columns, drawn at random"


def _tree(columns: ColumnTree) -> Picture:
    """Return the Ward tree of the columns, with a band for each category below it."""
    count = len(columns.category_names)
    height = TREE_HEIGHT + BAND * count + 40
    figure = Figure(figsize=(WIDTH / POINT, height / POINT), layout="constrained")
    tree, bands = figure.subplots(2, 1, sharex=True, height_ratios=(TREE_HEIGHT, BAND * count + 8))
    tree.add_collection(LineCollection(list(_branches(columns)), colors=INK, linewidths=0.7))
    tree.set_ylim(0, 1.03 * max(float(columns.tree[:, 2].max()), 1e-9))
    tree.set_ylabel("distance (no unit)")
    tree.grid(visible=False)
    tree.tick_params(axis="x", length=0)
    ordered = columns.shown_categories[columns.leaves]
    for c in range(count):
        places = np.flatnonzero(ordered == c)
        bands.broken_barh([(place - 0.5, 1.0) for place in places.tolist()], (c - 0.4, 0.8), color=BLUE, linewidth=0)
    bands.set_xlim(-0.5, len(ordered) - 0.5)
    bands.set_ylim(count - 0.4, -0.6)
    bands.set_yticks(range(count), [short(name, 16) for name in columns.category_names])
    bands.set_xlabel(f"{_shown(columns)}, in the order of the tree")
    bands.grid(visible=False)
    bands.tick_params(length=0)
    if count == 1:
        told = "The tree of the columns, which are one category"
    else:
        told = "Columns of one category are neighbors in the tree where the band of the category has no gap"
    note = "Ward tree of the distances √(2 (1 − r²)) of the columns. Bands show where the columns of a category are."
    return Picture(told, figure, note, "column_tree")


def _branches(columns: ColumnTree) -> Iterator[list[tuple[float, float]]]:
    """Yield the four corners of each join of the tree."""
    leaves = len(columns.shown)
    x = np.zeros(2 * leaves - 1)
    y = np.zeros(2 * leaves - 1)
    x[columns.leaves] = np.arange(leaves)
    for index, (left, right, distance, _) in enumerate(columns.tree.tolist(), start=leaves):
        a, b = int(left), int(right)
        x[index], y[index] = (x[a] + x[b]) / 2, distance
        yield [(x[a], y[a]), (x[a], distance), (x[b], distance), (x[b], y[b])]


def _heat_map(columns: ColumnTree) -> Picture:
    """Return the absolute correlations, with the categories as blocks."""
    order = columns.by_category
    size = len(order)
    figure, axes = new_axes(WIDTH, 290)
    drawn = axes.imshow(
        np.abs(columns.correlation[np.ix_(order, order)]), cmap=SEQUENTIAL, vmin=0, vmax=1,
        extent=(0, size, size, 0), interpolation="nearest" if size < WIDTH else "antialiased", rasterized=True,
    )  # fmt: skip
    counts = np.bincount(columns.shown_categories, minlength=len(columns.category_names))
    starts = np.concatenate([[0], np.cumsum(counts)])
    ticks, names = [], []
    for name, start, count in zip(columns.category_names, starts[:-1].tolist(), counts.tolist(), strict=True):
        axes.add_patch(Rectangle((start, start), count, count, fill=False, edgecolor=ORANGE, linewidth=1.2))
        if count / size * 240 >= MIN_LABEL:
            ticks.append(start + count / 2)
            names.append(short(name, 16))
    axes.set_yticks(ticks, names)
    axes.set_xticks([])
    axes.set_xlabel(f"{_shown(columns)}, by category")
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(drawn, ax=axes, label="absolute correlation |r|", fraction=0.045, pad=0.02)
    bar.outline.set_visible(False)
    if len(counts) == 1:
        told = "Correlations of the columns of the only category"
    else:
        within, between = number(columns.within, 2), number(columns.between, 2)
        told = f"The mean |r| is {within} within the categories and {between} between them"
    note = "Each orange square is a category, the largest first. A good partition is bright inside and dark outside."
    return Picture(told, figure, note, "correlation")


def _scores(selection: SelectionSummary) -> Picture:
    """Return silhouette, cosine and quality of the candidates over their number of categories."""
    measures = [key for key in MEASURES if any(getattr(each, key) is not None for each in selection.candidates)]
    figure = Figure(figsize=(WIDTH / POINT, (40 + 92 * len(measures)) / POINT), layout="constrained")
    panels = np.atleast_1d(figure.subplots(len(measures), 1, sharex=True))
    kinds = dict.fromkeys(each.distance for each in selection.candidates)
    for axes, key in zip(panels, measures, strict=True):
        for kind, (color, marker) in zip(kinds, ((BLUE, "o"), (ORANGE, "s"), (INK, "D")), strict=False):
            points = [each for each in selection.candidates if each.distance == kind and getattr(each, key) is not None]
            axes.plot(
                [each.num_categories for each in points], [getattr(each, key) for each in points],
                color=color, marker=marker, markersize=4, linewidth=1.2, label=f"distance: {kind}",
            )  # fmt: skip
        axes.axvline(selection.chosen.num_categories, color=GREEN, linewidth=2)
        if key == "cosine":
            axes.axhline(selection.target, color=INK, linewidth=0.9, linestyle="--")
        axes.set_ylabel(MEASURES[key], fontsize=9)
    panels[-1].set_xlabel("number of categories K")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=2)
    return Picture(_told_scores(selection), figure, NOTE, "number_of_categories")


def _told_scores(selection: SelectionSummary) -> str:
    """Return the result of the selection, as a sentence."""
    chosen: CandidateSummary = selection.chosen
    if len(selection.candidates) == 1:
        return f"K = {chosen.num_categories} was the only candidate, with a largest cosine of {chosen.cosine:.2f}"
    compared = "below" if chosen.cosine < selection.target else "not below"
    return (
        f"K = {chosen.num_categories} was selected: its largest cosine, {chosen.cosine:.2f}, is {compared} the target "
        f"{selection.target:.2f}"
    )
