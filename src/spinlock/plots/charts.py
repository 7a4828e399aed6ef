"""Charts that several sections use."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from spinlock.plots.theme import BLUE, INK, SERIES, WIDTH, new_axes

ROW = 17
"""Height of a row of a chart in pixels."""

COLUMN_LETTERS, MAX_WRITTEN, MAX_STRENGTH = 18, 12, 0.7
"""Letters of the name of a column, columns up to which values are written, and opacity of the value 1 in a heat map."""


def short(name: str, limit: int = 30) -> str:
    """Return a name of limited length; the middle of a longer one is replaced by an ellipsis."""
    if len(name) <= limit:
        return name
    head = (limit - 1) // 2
    return f"{name[:head]}…{name[head + 1 - limit :]}"


def bars(names: Sequence[str], values: Sequence[float], label: str, *, digits: int = 2, limit: float = 1.0) -> Figure:
    """Return horizontal bars with their values, the first one at the top.

    Parameters
    ----------
    names, values
        Names and values of the bars.
    label
        Label of the axis, with its unit.
    digits
        Decimals of the values.
    limit
        Minimum end of the axis.
    """
    figure, axes = new_axes(WIDTH, 62 + ROW * len(names))
    drawn = axes.barh(range(len(names)), list(values), color=BLUE, height=0.7)
    axes.bar_label(drawn, [f"{value:.{digits}f}" for value in values], padding=4, color=INK, fontsize=9)
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    right = 1.14 * max([limit, *values])
    left = min([0.0, *values])
    axes.set_xlim(left - 0.14 * right if left < 0 else 0.0, right)
    axes.set_xlabel(label)
    axes.grid(axis="y", visible=False)
    return figure


def grouped_bars(groups: Sequence[str], series: Sequence[tuple[str, Sequence[float]]], label: str) -> Figure:
    """Return vertical bars for each group, one for each series.

    Parameters
    ----------
    groups
        Names of the groups.
    series
        Name and values of each series, one for each group.
    label
        Label of the axis, with its unit.
    """
    figure, axes = new_axes(WIDTH, 260)
    width = 0.8 / len(series)
    for index, (name, values) in enumerate(series):
        places = np.arange(len(groups)) + (index - (len(series) - 1) / 2) * width
        axes.bar(places, list(values), width=0.92 * width, color=SERIES[index % len(SERIES)], label=name)
    axes.set_xticks(range(len(groups)), groups)
    axes.set_ylabel(label)
    axes.set_ylim(0, 1.0)
    axes.grid(axis="x", visible=False)
    figure.legend(loc="outside upper left", ncols=2)
    return figure


def heat_map(values: ArrayLike, rows: Sequence[str], columns: Sequence[str]) -> Figure:
    """Return a table of cells; a larger value between 0 and 1 has a stronger color.

    Parameters
    ----------
    values
        Values [rows, columns], NaN for an empty cell.
    rows, columns
        Names.
    """
    cells = np.asarray(values, dtype=np.float64)
    longest = max(len(short(column, COLUMN_LETTERS)) for column in columns)
    slanted = longest * len(columns) > 40
    figure, axes = new_axes(WIDTH, 40 + ROW * len(rows) + (5.5 * longest if slanted else 0))
    for (i, j), value in np.ndenumerate(cells):
        if np.isfinite(value):
            strength = MAX_STRENGTH * min(1.0, max(0.0, float(value)))
            axes.add_patch(Rectangle((j, i), 1, 1, facecolor=BLUE, alpha=strength, linewidth=0))
            if len(columns) <= MAX_WRITTEN:
                text = re.sub(r"^(-?)0\.", r"\1.", f"{value:.2f}")
                axes.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=8.5)
    axes.set_xlim(0, len(columns))
    axes.set_ylim(len(rows), 0)
    axes.set_xticks(np.arange(len(columns)) + 0.5, [short(name, COLUMN_LETTERS) for name in columns])
    axes.set_yticks(np.arange(len(rows)) + 0.5, [short(name, 26) for name in rows])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    if slanted:
        axes.tick_params(axis="x", labelrotation=50)
        for tick in axes.get_xticklabels():
            tick.set(horizontalalignment="left", rotation_mode="anchor")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    return figure
