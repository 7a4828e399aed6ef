"""Figures of the section *targets*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spinlock.evaluation.evaluation import Evaluation
from spinlock.plots.report.view import Picture, Table, View, number, short
from spinlock.plots.theme import BLUE, GREEN, INK, ORANGE, SKY, YELLOW, new_axes

MAX_FEATURES = 25
"""Number of features that are drawn, the worst ones."""

LEVEL_COLORS = (SKY, BLUE, INK)


def by_category(result: Evaluation) -> Picture:
    """Return the quality of each category, worst first, with the quality of all columns."""
    return _bars(
        result.metrics["quality_by_category"],
        "Quality by category, worst first",
        float(result.metrics["reconstruction_quality"]),
    )


def by_feature(result: Evaluation) -> Picture:
    """Return the quality of the worst features."""
    measured = {name: value for name, value in result.metrics["quality_by_feature"].items() if value is not None}
    worst = dict(sorted(measured.items(), key=lambda item: item[1])[:MAX_FEATURES])
    below = sum(value < 0.5 for value in measured.values())
    title = f"{below} of {len(measured)} features have a quality below 0.5"
    return _bars(worst, title, float(result.metrics["reconstruction_quality"]))


def by_level(result: Evaluation) -> Picture:
    """Return the quality of each level prefix."""
    values = result.metrics["quality_by_level"]
    figure, axes = new_axes(420, 170)
    names = ["level 1", "levels 1 and 2", "levels 1 to 3"][: len(values)]
    bars = axes.barh(names[::-1], values[::-1], color=BLUE, height=0.6)
    axes.bar_label(bars, [f"{value:.3f}" for value in values[::-1]], padding=4, color=INK)
    axes.set_xlim(min(0, *values), 1.12)
    axes.set_xlabel("fraction of variance explained")
    axes.grid(axis="y", visible=False)
    return Picture(f"The first level explains {values[0]:.1%}, all levels explain {values[-1]:.1%}", figure)


def _bars(values: Mapping[str, Any], title: str, reference: float) -> Picture:
    ordered = sorted(values.items(), key=lambda item: item[1], reverse=True)
    names = [short(name) for name, _ in ordered]
    heights = [max(-0.2, value) for _, value in ordered]
    figure, axes = new_axes(420, 60 + 15 * len(names))
    colors = [GREEN if value >= 0.9 else BLUE if value >= 0.5 else ORANGE for value in heights]
    axes.barh(range(len(names)), heights, color=colors, height=0.7)
    axes.set_yticks(range(len(names)), names)
    axes.axvline(reference, color=YELLOW, linewidth=1.2)
    axes.set_xlim(min(0.0, *heights), 1.0)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlabel("fraction of variance explained")
    axes.grid(axis="y", visible=False)
    return Picture(title, figure, "The line is the quality of all columns. Bars are cut at -0.2.")


LABELS = {
    "reconstruction_quality": "Reconstruction quality",
    "codebook_utilization": "Codebook utilization",
    "inter_category_orthogonality": "Correlation of categories",
    "topographic_correlation": "Topographic correlation",
}
"""Names of the targets for readers."""


def view(result: Evaluation) -> View:
    """Return the section of the four targets."""
    metrics = result.metrics
    columns = metrics["quality_by_feature"]
    features = sorted(((value, name) for name, value in columns.items() if value is not None), key=lambda item: item[0])
    return View(
        key="targets",
        title="Quality",
        finding=f"{result.best_epoch.text[0].upper()}{result.best_epoch.text[1:]}. The best model is the validation "
        "with the lowest score: validation loss, topographic correlation and quality, weighted as configured.",
        pictures=[by_level(result), by_category(result), by_feature(result)],
        tables=[
            Table(
                f"Quality of all {len(features)} features, worst first",
                ("feature", "quality"),
                [(name, number(value)) for value, name in features],
                "1 is a perfect reconstruction, 0 is the training mean, and a negative quality is worse than the mean.",
            )
        ],
    )
