"""Section *topology* of the page."""

from __future__ import annotations

import numpy as np

from spinlock.evaluation.topology import Topology
from spinlock.plots.theme import ORANGE, SEQUENTIAL, SERIES, WIDTH, new_axes
from spinlock.plots.view import Picture, Table, View, number, percent

MEASURES = {
    "pearson": "Pearson's r",
    "spearman": "Spearman's ρ",
    "trustworthiness": "trustworthiness",
    "continuity": "continuity",
    "recall": "recall of 10 neighbors",
}
"""{attribute: name for readers}."""


def view(result: Topology) -> View:
    """Return the section."""
    last = result.by_level[-1]
    finding = (
        f"Distances between tokens follow distances between features with r = {last.pearson:.3f}, measured on all "
        f"pairs of {result.num_rows:,} rows."
    )
    if last.recall is not None:
        finding += f" {percent(last.recall)} of the 10 nearest rows by features are among the 10 nearest by tokens."
    rows = [(name, *(number(getattr(level, key)) for level in result.by_level)) for key, name in MEASURES.items()]
    columns = ("measure", "level 1", "levels 1–2", "levels 1–3")
    return View(
        "topology", "Topology", finding, [_shepard(result), _levels(result)], [Table("All measures", columns, rows)]
    )


def _shepard(result: Topology) -> Picture:
    diagram = result.shepard
    counts = np.array(diagram.counts, dtype=np.float64)
    figure, axes = new_axes(WIDTH, 300)
    shown = np.where(counts.T > 0, np.log10(np.maximum(counts.T, 1)), np.nan)
    axes.pcolormesh(diagram.feature_edges, diagram.token_edges, shown, cmap=SEQUENTIAL, rasterized=True, shading="flat")
    x = np.convolve(diagram.feature_edges, [0.5, 0.5], "valid")
    y = np.convolve(diagram.token_edges, [0.5, 0.5], "valid")
    filled = counts.sum(1) > 0
    medians = [np.interp(0.5, np.cumsum(row) / row.sum(), y) for row in counts[filled]]
    axes.plot(x[filled], medians, color=ORANGE, label="median")
    axes.set_xlabel("distance of features, std per column")
    axes.set_ylabel("distance of tokens, relative to the mean")
    axes.legend(loc="lower right")
    return Picture(
        "Distances of tokens against distances of features, for pairs of rows",
        figure,
        "Shepard diagram: each cell counts pairs of rows, lighter is more, on a logarithmic scale. A narrow band that "
        "rises is good.",
    )


def _levels(result: Topology) -> Picture:
    figure, axes = new_axes(WIDTH, 300)
    for color, (key, name) in zip(SERIES, MEASURES.items(), strict=False):
        values = [getattr(level, key) for level in result.by_level]
        if None not in values:
            axes.plot([1, 2, 3], values, "o-", color=color, label=name)
    axes.set_xticks([1, 2, 3], ["level 1", "levels 1–2", "levels 1–3"])
    axes.set_ylim(None, 1.005)
    axes.set_ylabel("preservation, 1 is perfect")
    figure.legend(loc="outside upper left", ncols=2)
    first, last = result.by_level[0].pearson, result.by_level[-1].pearson
    return Picture(f"From one level to three, the correlation of distances goes from {first:.2f} to {last:.2f}", figure)
