"""Section *calibration* of the page of an ANO."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import binom

from spinlock.ano.evaluation.calibration import MIN_P_VALUE, SimulationBasedCalibration
from spinlock.plots.charts import short
from spinlock.plots.theme import BLUE, INK, LINE, MUTED, ORANGE, POINT, WIDTH, new_axes
from spinlock.plots.view import Picture, Table, View, number, percent

PANELS, PANEL_HEIGHT = 4, 62
"""Histograms of a row of the figure, and their height in pixels."""

BAND = 0.99
"""Probability of the range of a bin that is drawn."""


def view(result: SimulationBasedCalibration) -> View:
    """Return the section."""
    counts = [each.operators for each in result.ranks]
    finding = (
        f"The ranks of {percent(result.share_uniform)} of {len(result.ranks)} parameters are uniform (p > "
        f"{MIN_P_VALUE:g})."
        if counts
        else "No parameter has enough operators for a test of its ranks."
    )
    finding += (
        " The expected coverage of the joint densities differs from their credibility by at most "
        f"{number(result.tarp_gap)}."
    )
    remarks = [
        f"These are checks of the densities, before their intervals are made conformal, given the true family, with "
        f"{result.draws} draws and {result.references} reference points for each operator. An exact posterior has a "
        f"gap below {number(result.tarp_gap_null_quantile)} in 95% of samples of this size.",
    ]
    if counts:
        remarks.append(
            f"With few operators these checks detect large errors only: a parameter is tested with {min(counts)} to "
            f"{max(counts)} operators, and p > {MIN_P_VALUE:g} does not prove that its density is right."
        )
    return View(
        "calibration",
        "Calibration",
        finding,
        [_curve(result), *((_pooled(result), _ranks(result)) if counts else ())],
        [_table(result)] if counts else [],
        remarks,
    )


def _curve(result: SimulationBasedCalibration) -> Picture:
    levels, coverage = np.array(result.levels), np.array(result.expected_coverage)
    figure, axes = new_axes(WIDTH, 300)
    low, high = (
        np.clip(levels - result.tarp_gap_null_quantile, 0, 1),
        np.clip(levels + result.tarp_gap_null_quantile, 0, 1),
    )
    axes.fill_between(levels, low, high, color=LINE, linewidth=0, label="exact posteriors, 95%")
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1)
    axes.plot(levels, coverage, color=BLUE, label="expected coverage")
    axes.set_xlabel("credibility")
    axes.set_ylabel("fraction of true points inside")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.legend(loc="upper left")
    return Picture(
        f"The gap between credibility and expected coverage is {number(result.tarp_gap)}",
        figure,
        "TARP: balls around random reference points. Below the line, true points are farther from random points than "
        "draws are, and the densities are too narrow or biased. Above it, the densities are too wide. 95% of the "
        "curves of exact posteriors are inside the band.",
    )


def _pooled(result: SimulationBasedCalibration) -> Picture:
    counts = np.sum([each.histogram for each in result.ranks], axis=0)
    shares, bins = counts / counts.sum(), len(counts)
    figure, axes = new_axes(WIDTH, 220)
    axes.stairs(shares, np.linspace(0, 1, bins + 1), fill=True, color=BLUE, alpha=0.75)
    axes.axhline(1 / bins, color=INK, linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_xlabel("rank of the true value among the draws")
    axes.set_ylabel("fraction of the parameters")
    outer = float(shares[0] + shares[-1])
    return Picture(
        f"{percent(outer)} of all ranks are in the two outer tenths, {percent(2 / bins)} if the densities are exact",
        figure,
        "Raised ends: densities that are too narrow. A raised middle: too wide. The line is the exact posterior.",
    )


def _ranks(result: SimulationBasedCalibration) -> Picture:
    lines = max(1, math.ceil(len(result.ranks) / PANELS))
    figure = Figure(figsize=(WIDTH / POINT, (20 + PANEL_HEIGHT * lines) / POINT), layout="constrained")
    grid = figure.subplots(lines, PANELS, squeeze=False)
    previous = ""
    for axes, each in zip(grid.flat, result.ranks, strict=False):
        bins = len(each.histogram)
        low, high = binom.interval(BAND, each.operators, 1 / bins)
        axes.axhspan(low, high, color=LINE, linewidth=0)
        color = BLUE if each.p_value > MIN_P_VALUE else ORANGE
        axes.stairs(each.histogram, np.linspace(0, 1, bins + 1), color=color, fill=True, alpha=0.8)
        axes.set_ylim(0, max(high, *each.histogram) * 1.15)
        axes.set_xlim(0, 1)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        family = short(each.family, 17) if each.family != previous else ""
        previous = each.family
        axes.set_title(f"{family}\n{short(each.name, 17)}", fontsize=8, loc="left", color=INK, pad=2, linespacing=1.1)
    for axes in list(grid.flat)[len(result.ranks) :]:
        axes.remove()
    low_values = sum(each.p_value <= MIN_P_VALUE for each in result.ranks)
    return Picture(
        f"{low_values} of {len(result.ranks)} rank histograms are not uniform",
        figure,
        "Rank of the true value among the draws, in ten bins. 99% of the bins of an exact posterior end inside the "
        "gray band. Orange: p of the Kolmogorov-Smirnov test is at most 0.01.",
    )


def _table(result: SimulationBasedCalibration) -> Table:
    rows = [
        (each.family, each.name, f"{each.operators:,}", number(each.p_value), number(each.mean, 2))
        for each in sorted(result.ranks, key=lambda each: each.p_value)
    ]
    note = "The mean rank is 0.5 without a bias; below it the densities are above the true values."
    columns = ("family", "parameter", "operators", "p value", "mean rank")
    return Table("All parameters, smallest p value first", columns, rows, note, two_names=True)
