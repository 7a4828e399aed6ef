"""Colors and text of all figures.

The colors of data are those of Okabe and Ito (2008), which color-blind readers can distinguish. The page replaces each
color of :data:`ROLES` by a variable of its style sheet, so that figures follow its light or dark theme.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

INK, MUTED, LINE, PAPER = "#1a1b1c", "#6a6b6c", "#dadbdc", "#fdfcfb"
BLUE, ORANGE, GREEN, PINK, YELLOW, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"

SERIES = (BLUE, ORANGE, GREEN, PINK, YELLOW, SKY)
"""Colors of data series, in the order of their use."""

POINT_SERIES, POINT_GRAY = ("#0072b3", "#d55e01", "#009e74", "#cc79a8", "#e69f01", "#56b4ea"), "#858687"
"""Colors of points that are drawn as an image, which cannot follow the theme, and of their legend. They are not in
:data:`ROLES`, so that the legend keeps its colors too."""

ROLES = {
    INK: "--ink",
    MUTED: "--muted",
    LINE: "--line",
    PAPER: "--paper",
    BLUE: "--blue",
    ORANGE: "--orange",
    GREEN: "--green",
    PINK: "--pink",
    YELLOW: "--yellow",
    SKY: "--sky",
}
"""{color: variable of the style sheet}."""

SEQUENTIAL = "cividis"
"""Color map of quantities; its lightness increases evenly for all readers."""

POINTS = ListedColormap(mpl.colormaps[SEQUENTIAL](np.linspace(0.22, 0.95, 256)))
"""Color map of quantities of single points: the part of the color map that is visible on light and on dark paper."""

WIDTH = 380
"""Width of a figure in pixels, about that of a phone, so that its text is readable there."""

POINT = 72
"""Points of an inch; figures have 72 dots per inch, so that sizes are in pixels of the page."""

SETTINGS: Any = {
    "figure.dpi": POINT,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.linewidth": 0.8,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "font.size": 10.5,
    "axes.labelsize": 10.5,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",
    "svg.hashsalt": "spinlock",
    "text.parse_math": False,  # names of users can contain $
}


@contextmanager
def themed() -> Iterator[None]:
    """Draw in a ``with`` block with these settings; settings of the calling program are restored."""
    with mpl.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # SVG files use the fonts of the reader
        yield


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of a size in pixels, and its axes."""
    figure = Figure(figsize=(width / POINT, height / POINT), layout="constrained")
    return figure, figure.add_subplot()
