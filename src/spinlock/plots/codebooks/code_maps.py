"""Figures of the codebooks: their usage, and a map of the codes of each category."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import AsinhLocator

from spinlock.evaluation.codebooks.code_maps import CodeMap
from spinlock.model import LEVELS
from spinlock.plots.charts import heat_map
from spinlock.plots.theme import BLUE, INK, ORANGE, POINT, WIDTH
from spinlock.plots.view import Picture

HEIGHT = 172
"""Height of the maps of a category in pixels."""

NAMED = 3
"""Number of codes whose number is written, the most frequent ones."""

MAX_AREA = 130.0
"""Area of the circle of the most frequent code, in square pixels."""


def draw_usage(code_maps: Sequence[CodeMap]) -> Picture:
    """Return how evenly the codes of each codebook are used."""
    categories = list(dict.fromkeys(code_map.category for code_map in code_maps))
    ratios = np.array([code_map.perplexity / code_map.size for code_map in code_maps]).reshape(-1, LEVELS)
    least = min(code_maps, key=lambda code_map: code_map.perplexity / code_map.size)
    figure = heat_map(ratios, categories, [f"level {level + 1}" for level in range(LEVELS)])
    return Picture(
        f"{least.name} is used least evenly: {least.size} codes, worth {least.perplexity:.1f} equally frequent ones",
        figure,
        "Perplexity 2^H of each codebook, divided by its number of codes. 1 means that all codes are equally frequent.",
        "usage",
    )


def draw_codes(code_maps: Sequence[CodeMap]) -> Picture:
    """Return the maps of the codebooks of one category."""
    figure = Figure(figsize=(WIDTH / POINT, HEIGHT / POINT), layout="constrained")
    for axes, code_map in zip(figure.subplots(1, len(code_maps)), code_maps, strict=True):
        _draw_codebook(axes, code_map)
    dead = sum(code_map.num_dead for code_map in code_maps)
    size = sum(code_map.size for code_map in code_maps)
    used = f"{size - dead} of {size} codes" if dead else f"All {size} codes"
    told = f"{used} of {code_maps[0].category} are used"
    note = (
        "Each circle is a code. Its area is proportional to the number of rows with the code, with a minimum; orange "
        "crosses are codes without rows. "
        "Codes that are close add similar features to a row. The axes are the first two principal components of the "
        "code vectors, in normalized units, and are compressed far from the center."
    )
    return Picture(told, figure, note, f"codes_{code_maps[0].category}")


def _draw_codebook(axes: Axes, code_map: CodeMap) -> None:
    """Draw the codes of one codebook."""
    x, y = code_map.coordinates.T
    used = code_map.counts > 0
    areas = np.maximum(3.0, MAX_AREA * code_map.counts / max(1, int(code_map.counts.max())))
    axes.scatter(x[used], y[used], s=areas[used], color=BLUE, alpha=0.6, linewidths=0)
    axes.scatter(x[~used], y[~used], s=22, color=ORANGE, marker="x", linewidths=1.2)
    for code in np.argsort(-code_map.counts, kind="stable")[:NAMED].tolist():
        if code_map.counts[code]:
            axes.text(x[code], y[code], str(code), ha="center", va="center", fontsize=7, color=INK)
    axes.set_title(f"level {code_map.level + 1}: {code_map.size} codes", fontsize=8.5)
    axes.set_xlabel(f"PCs 1, 2: {code_map.explained:.0%}", fontsize=8.5)
    axes.tick_params(labelsize=7)
    axes.margins(0.12)
    sizes = np.abs(code_map.coordinates[code_map.coordinates != 0])
    width = float(np.median(sizes)) if sizes.size else 1.0
    axes.set_xscale("asinh", linear_width=width)
    axes.set_yscale("asinh", linear_width=width)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(AsinhLocator(width, numticks=3))
        axis.set_major_formatter("{x:.3g}")
