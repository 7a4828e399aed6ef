"""Section *training* of the page: all losses and metrics of the training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from spinlock.evaluation.best_epoch import BestEpoch
from spinlock.plots.theme import BLUE, GREEN, ORANGE, PINK, POINT, SKY, WIDTH
from spinlock.plots.view import Picture, Table, View

PANEL = 118
"""Height of a panel in pixels."""

Values = Sequence[float | int | None]

SERIES = {
    "train_": ("training rows", BLUE),
    "step_": ("steps", SKY),
    "val_": ("validation rows", ORANGE),
    "": ("run", PINK),
}
"""{prefix of a column: name and color of its curve}, in the order of the legend."""

SELECTED = "selected epoch"
"""Name of the line of the selected epoch."""

SAME = {"total": "loss", "step_total": "loss of the steps"}
"""{name without prefix: panel} of columns whose names do not say that they belong together."""

UNITS = {"seconds": "seconds", "resets": "number of codes", "quality": "fraction", "utilization": "fraction"}
"""Units of panels; the others have none."""


def view(history: Mapping[str, Values], best: BestEpoch) -> View:
    """Return the section."""
    losses, metrics = _panels(history)
    text = best.text[0].upper() + best.text[1:]
    pictures = [
        _curves(panels, best, told, key)
        for panels, told, key in (
            (losses, f"Losses by epoch; the line is epoch {best.epoch}, which was selected", "training_losses"),
            (metrics, f"Metrics by epoch; the line is epoch {best.epoch}, which was selected", "training_metrics"),
        )
        if panels
    ]
    names = [name for name in history if name != "epoch"]
    epochs = list(history.get("epoch", []))
    rows = [
        (str(epoch), *("–" if history[name][i] is None else f"{history[name][i]:.4g}" for name in names))
        for i, epoch in enumerate(epochs)
    ]
    return View("training", "Training", f"{text}.", pictures, [Table("All values", ("epoch", *names), rows)])


def _panels(history: Mapping[str, Values]) -> tuple[dict[str, dict[str, Values]], dict[str, dict[str, Values]]]:
    """Return {panel: {column: values}} of the losses, and of everything else."""
    losses: dict[str, dict[str, Values]] = {}
    metrics: dict[str, dict[str, Values]] = {}
    trained = {_panel(name) for name in history if name.startswith("train_")} | set(SAME.values())
    for name, values in history.items():
        if name == "epoch" or all(value is None for value in values):
            continue
        panel = _panel(name)
        (losses if panel in trained else metrics).setdefault(panel, {})[name] = values
    return losses, metrics


def _panel(name: str) -> str:
    """Return the panel of a column."""
    base = name.removeprefix("train_").removeprefix("val_")
    return SAME.get(base, base)


def _curves(panels: Mapping[str, Mapping[str, Values]], best: BestEpoch, told: str, key: str) -> Picture:
    """Return a panel for each loss or metric."""
    rows = (len(panels) + 1) // 2
    figure = Figure(figsize=(WIDTH / POINT, (36 + PANEL * rows) / POINT), layout="constrained")
    grid = figure.subplots(rows, 2, squeeze=False, sharex=True).ravel()
    for axes, (name, columns) in zip(grid, panels.items(), strict=False):
        _draw_panel(axes, name, columns, best)
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes in grid[max(0, len(panels) - 2) : len(panels)]:
        axes.set_xlabel("epoch")
        axes.tick_params(labelbottom=True)
    handles: dict[str, Artist] = {}
    for axes in grid[: len(panels)]:
        lines, labels = axes.get_legend_handles_labels()
        handles.update(zip(map(str, labels), lines, strict=True))
    order = [label for label in (*(name for name, _ in SERIES.values()), SELECTED) if label in handles]
    figure.legend([handles[label] for label in order], order, loc="outside upper left", ncols=2)
    return Picture(told, figure, "A curve has a point for each epoch with a value.", key)


def _draw_panel(axes: Axes, name: str, columns: Mapping[str, Values], best: BestEpoch) -> None:
    """Draw the curves of one loss or metric."""
    for column, values in columns.items():
        prefix = next(prefix for prefix in SERIES if column.startswith(prefix))
        label, color = SERIES[prefix]
        numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
        epochs = np.flatnonzero(np.isfinite(numbers))
        marker = "." if len(epochs) <= 40 else ""
        axes.plot(epochs, numbers[epochs], color=color, marker=marker, linewidth=1.3, label=label)
    axes.axvline(best.epoch, color=GREEN, linewidth=1.4, label=SELECTED)
    axes.set_title(name.replace("_", " "), fontsize=9, loc="left")
    axes.set_ylabel(UNITS.get(name, "no unit"), fontsize=7.5)
    axes.tick_params(labelsize=7.5)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4))
