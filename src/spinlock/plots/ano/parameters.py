"""Section *parameters* of the page of an ANO."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from spinlock.ano.evaluation.parameters import ParameterResult, Parameters
from spinlock.metrics.calibration import ClusteredFraction
from spinlock.plots.charts import ROW, short
from spinlock.plots.theme import BLUE, INK, MUTED, ORANGE, POINT, SERIES, WIDTH, new_axes
from spinlock.plots.view import Picture, Table, View, number, percent

PANELS, PANEL_HEIGHT = 3, 128
"""Panels of a row of a figure, and their height in pixels."""

OPEN_FAMILIES = 5
"""Number of families that are shown; the others are folded."""


def view(result: Parameters) -> View:
    """Return the section."""
    parts = [
        f"the {float(level):.0%} intervals contain {percent(c.value, 1)} (± {100 * c.error:.1f})"
        for level, c in result.coverage.items()
    ]
    finding = (
        f"Given the true family, {', '.join(parts[:-1])} and {parts[-1]} of the parameters. The medians explain "
        f"{percent(result.mean_r2)} of the variance of a parameter on average."
    )
    remarks = [
        "Standard errors, after ±, are those of independent operators. The promise holds for all parameters of a "
        "family together, not for each one. The widths of the intervals were fitted on a sample of operators, whose "
        "error is not included."
    ]
    families = sorted({each.family for each in result.parameters}, key=lambda name: -_mean_r2(result, name))
    drawn = [_family(name, [p for p in result.parameters if p.family == name]) for name in families]
    pictures = [coverage(result), *drawn[:OPEN_FAMILIES]]
    return View("parameters", "Parameters", finding, pictures, [_table(result)], remarks, folded=drawn[OPEN_FAMILIES:])


def _mean_r2(result: Parameters, family: str) -> float:
    return float(np.nanmean([each.r2 for each in result.parameters if each.family == family]))


def coverage(result: Parameters) -> Picture:
    """Return the coverage of the intervals of all parameters and of each family."""
    rows: list[tuple[str, dict[str, ClusteredFraction]]] = [("all parameters", result.coverage)]
    rows += result.coverage_by_family.items()
    levels = list(result.coverage)
    figure, axes = new_axes(WIDTH, 84 + (ROW + 5) * len(rows))
    for color, level in zip(SERIES, levels, strict=False):
        axes.axvline(float(level), color=color, linewidth=1, linestyle=(0, (3, 3)))
        found = [coverage_of[level] for _, coverage_of in rows]
        axes.errorbar(
            [each.value for each in found],
            range(len(rows)),
            xerr=[each.error for each in found],
            fmt="o",
            color=color,
            markersize=4.5,
            linewidth=1.3,
            label=f"{float(level):.0%}",
        )
    axes.set_yticks(range(len(rows)), [short(name, 24) for name, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(None, 1.02)
    axes.set_xlabel("fraction of the true parameters inside")
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside upper left", ncols=3)
    return Picture(
        f"The coverage differs from the promise by at most {100 * result.coverage_error:.1f} points",
        figure,
        "Dashed lines are the promised probabilities. Horizontal lines are one standard error.",
    )


def _family(family: str, results: Sequence[ParameterResult]) -> Picture:
    """Return the medians and intervals of the parameters of a family."""
    columns = min(PANELS, len(results))
    lines = math.ceil(len(results) / columns)
    figure = Figure(figsize=(WIDTH / POINT, (10 + PANEL_HEIGHT * lines) / POINT), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes, result in zip(grid.flat, results, strict=False):
        _panel(axes, result)
    for axes in list(grid.flat)[len(results) :]:
        axes.remove()
    best = max(results, key=lambda result: result.r2 if result.r2 == result.r2 else -math.inf)
    return Picture(
        f"{family}: the medians explain {percent(best.r2)} of the variance of {best.name}",
        figure,
        "True value (horizontal) and predicted median with its 80% interval (vertical), in the coordinate in which the "
        "parameter was drawn uniformly. The line is a perfect prediction.",
    )


def _panel(axes: Axes, result: ParameterResult) -> None:
    points = result.points
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9)
    width = 0.9 if result.operators <= 60 else 0.45
    axes.vlines(points.truth, points.low, points.high, color=BLUE, linewidth=width, alpha=0.45)
    axes.plot(points.truth, points.median, "o", color=ORANGE, markersize=2.6, markeredgewidth=0)
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.03)
    ends = _ends(result)
    axes.set_xticks([0, 0.5, 1], [ends[0], "", ends[1]], fontsize=8)
    axes.set_yticks([0, 0.5, 1], ["", "", ""])
    labels = axes.get_xticklabels()
    labels[0].set_horizontalalignment("left")
    labels[-1].set_horizontalalignment("right")
    axes.set_title(f"{short(result.name, 20)}\nR² {number(result.r2, 2)}", fontsize=9, color=INK, loc="left")
    axes.set_box_aspect(0.75)


def _table(result: Parameters) -> Table:
    rows = [
        (
            each.family,
            each.name,
            _scale(each),
            f"{each.operators:,}",
            number(each.r2, 2),
            number(each.r2_of_mean, 2),
            *(percent(value) for value in each.coverage.values()),
        )
        for each in result.parameters
    ]
    note = (
        "R² is the fraction of the variance of the coordinate that the posterior medians and means explain. It is "
        "negative if they are worse than the mean of the measured operators."
    )
    levels = [f"{float(level):.0%} interval" for level in result.coverage]
    columns = ("family", "parameter", "range", "operators", "R²", "R² of mean", *levels)
    return Table("All parameters", columns, rows, note, two_names=True)


def _scale(each: ParameterResult) -> str:
    if each.kind == "options":
        return ", ".join(f"{value:g}" for value in each.values)
    return f"{' to '.join(_ends(each))}{', log' if each.kind == 'log' else ''}"


def _ends(each: ParameterResult) -> tuple[str, str]:
    """Return the physical values at 0 and 1; the rounding error of a 0 is not written."""
    extent = abs(each.values[-1] - each.values[0])
    first, last = (0.0 if abs(value) < 1e-9 * extent else value for value in (each.values[0], each.values[-1]))
    return f"{first:.3g}", f"{last:.3g}"
