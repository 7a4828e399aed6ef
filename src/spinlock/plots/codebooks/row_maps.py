"""Figures of the maps of rows.

Letters: ``p`` rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from spinlock.evaluation.codebooks.colorings import Coloring, rank_fractions
from spinlock.evaluation.codebooks.map_points import column_prefix
from spinlock.evaluation.codebooks.row_maps import Floats, RowMap
from spinlock.evaluation.discriminability.attributes import MISSING
from spinlock.plots.charts import short
from spinlock.plots.theme import POINT, POINT_GRAY, POINT_SERIES, POINTS, WIDTH, new_axes
from spinlock.plots.view import Picture

MARKERS = ("o", "^", "s", "D")
"""Shapes of the points of classes beyond the first six, so that colors and shapes together are distinct."""

MAX_CLASSES = 20
"""Maximum number of classes with a color of their own, the most frequent ones."""

MAX_VECTOR_POINTS = 300
"""Maximum number of points that are drawn as shapes; more points are drawn as an image."""

LEGEND_ROW, LEGEND_POINT = 17, 36
"""Height of a row of the legend in pixels, and area of its points in square pixels."""

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Quantiles of the numbers that are written at the color bar. Colors are ranks, since many parameters are skewed."""

MAX_COLUMNS, LEGEND_LETTERS = 5, 54
"""Maximum number of columns of a legend, and letters of a row with one column."""


def draw_rows(row_map: RowMap, coloring: Coloring) -> Picture:
    """Return a map of rows, colored by a label, a parameter or a token."""
    figure, axes = new_axes(WIDTH, 300)
    if coloring.is_numeric or coloring.kind == "token":
        _draw_numbers(figure, axes, row_map.coordinates, coloring)
    else:
        _draw_classes(figure, axes, row_map.coordinates, coloring)
    for number, axis in enumerate((axes.xaxis, axes.yaxis), start=1):
        axis.set_label_text(f"{row_map.name} {number} (no unit)")
        axis.set_ticks([])
    axes.grid(visible=False)
    axes.set_aspect("equal", adjustable="datalim")
    key = f"{column_prefix(row_map.name)}_{coloring.kind}_{coloring.name}"
    return Picture(title(coloring), figure, _note(coloring), key)


def title(coloring: Coloring) -> str:
    """Return what the colors of a map show, as a sentence."""
    name = coloring.name
    if not np.isfinite(coloring.agreement):
        return f"Rows colored by {name}"
    if coloring.is_numeric:
        return f"Rank correlation of {name} with the nearest rows by features: {coloring.agreement:.2f}"
    what = "code of " + name if coloring.kind == "token" else name
    return f"{coloring.agreement:.0%} of the nearest rows have the same {what} ({coloring.chance:.0%} by chance)"


def _note(coloring: Coloring) -> str:
    """Return how to read the colors."""
    if coloring.kind == "token":
        return (
            "Each point is a row. Its color is the rank of its code along the first axis of the map of the codebook, "
            "so that similar codes have similar colors."
        )
    if coloring.is_numeric:
        return (
            "Each point is a row. Colors are ranks, so that a quarter of the rows is between two ticks. Gray rows have "
            "no value."
        )
    if len(np.unique(coloring.codes[coloring.codes != MISSING])) > MAX_CLASSES:
        return f"Each point is a row. The {MAX_CLASSES} most frequent values have a color and a shape of their own."
    return "Each point is a row."


def _draw_numbers(figure: Figure, axes: Axes, coordinates: Floats, coloring: Coloring) -> None:
    """Draw points whose color is a number, and a color bar."""
    numbers = coloring.numbers
    present = np.isfinite(numbers)
    style = _point_style(len(numbers))
    axes.scatter(*coordinates[~present].T, color=POINT_GRAY, **style)
    if coloring.kind == "token":
        last = len(coloring.classes) - 1
        colors, ticks, values = numbers / max(1, last), [0.0, 1.0], [0.0, float(last)]
    else:
        colors, ticks = rank_fractions(numbers), list(QUANTILES)
        values = np.quantile(numbers[present], QUANTILES).tolist() if present.any() else [np.nan] * len(QUANTILES)
    label = "rank of the code" if coloring.kind == "token" else coloring.name
    x, y = coordinates[present].T
    drawn = axes.scatter(x, y, c=colors[present], cmap=POINTS, vmin=0, vmax=1, zorder=2, **style)
    bar = figure.colorbar(drawn, ax=axes, location="bottom", label=label, fraction=0.04, pad=0.02, aspect=40)
    bar.set_ticks(ticks, labels=[f"{value:.3g}" for value in values])
    bar.outline.set_visible(False)


def _draw_classes(figure: Figure, axes: Axes, coordinates: Floats, coloring: Coloring) -> None:
    """Draw points whose color and shape are a class, and a legend."""
    groups = list(_groups(coloring))
    longest = max(len(short(group.name, 20)) for group in groups)
    columns = int(np.clip(LEGEND_LETTERS // (longest + 4), 1, MAX_COLUMNS))
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW / POINT * -(-len(groups) // columns))
    style = _point_style(len(coloring.codes))
    for group in groups:
        axes.scatter(
            *coordinates[group.rows].T,
            color=group.color,
            marker=group.marker,
            label=short(group.name, 20),
            zorder=1 if group.color == POINT_GRAY else 2,
            **style,
        )
    scale = (LEGEND_POINT / style["s"]) ** 0.5
    figure.legend(loc="outside lower left", ncols=columns, markerscale=scale, handletextpad=0.2, columnspacing=1.0)


def _point_style(count: int) -> dict[str, Any]:
    """Return the style of points; the more rows there are, the smaller are the points."""
    size = float(np.clip(20_000 / count, 6, 30))
    return {"s": size, "linewidths": 0.6, "rasterized": count > MAX_VECTOR_POINTS}


@dataclass(frozen=True, eq=False)
class _Group:
    """Rows with one color and one shape."""

    name: str
    rows: NDArray[np.int64]
    color: str
    marker: str = "o"


def _groups(coloring: Coloring) -> Iterator[_Group]:
    """Yield each class, the most frequent first, then the other classes and the rows without a value."""
    counts = np.bincount(coloring.codes[coloring.codes != MISSING], minlength=len(coloring.classes))
    order = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())]
    for index, code in enumerate(order[:MAX_CLASSES]):
        marker = MARKERS[index // len(POINT_SERIES) % len(MARKERS)]
        rows = np.flatnonzero(coloring.codes == code)
        yield _Group(coloring.classes[code], rows, POINT_SERIES[index % len(POINT_SERIES)], marker)
    others = order[MAX_CLASSES:]
    if len(others):
        yield _Group(f"{len(others)} other values", np.flatnonzero(np.isin(coloring.codes, others)), POINT_GRAY)
    missing = np.flatnonzero(coloring.codes == MISSING)
    if len(missing):
        yield _Group("no value", missing, POINT_GRAY, "x")
