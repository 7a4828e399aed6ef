"""Figures of the section *targets*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spinlock.evaluation.evaluation import Evaluation
from spinlock.evaluation.quality_notes import second_values
from spinlock.plots.charts import heat_map, short
from spinlock.plots.theme import BLUE, GREEN, ORANGE, WIDTH, YELLOW, new_axes
from spinlock.plots.view import Picture, Table, View, number

MAX_FEATURES = 18
"""Number of features that are drawn, the worst ones."""


def by_category(result: Evaluation) -> Picture:
    """Return the quality of each category and of all columns, worst first, from one, two and three levels."""
    whole = result.metrics["quality_by_level"]
    if result.reconstruction is not None:
        categories: dict[str, Any] = {**result.reconstruction.quality_by_category_and_level}
        levels: tuple[str, ...] = ("level 1", "levels 1–2", "levels 1–3")
    else:
        ordered = sorted(result.metrics["quality_by_category"].items(), key=lambda item: item[1])
        categories, levels, whole = {name: [value] for name, value in ordered}, ("levels 1–3",), whole[-1:]
    worst = next(iter(categories))
    return Picture(
        f"{worst} is the category with the lowest quality, {categories[worst][-1]:.2f}",
        heat_map([whole, *categories.values()], ["all columns", *categories], levels),
        "Fraction of variance explained from the tokens of the first levels. 1 is a perfect reconstruction, 0 is the "
        "training mean.",
    )


def by_feature(result: Evaluation) -> Picture:
    """Return the quality of the worst features."""
    measured = {name: value for name, value in result.metrics["quality_by_feature"].items() if value is not None}
    worst = dict(sorted(measured.items(), key=lambda item: item[1])[:MAX_FEATURES])
    below = sum(value < 0.5 for value in measured.values())
    title = f"{below} of {len(measured)} features have a quality below 0.5"
    return _bars(worst, title, float(result.metrics["reconstruction_quality"]))


def _bars(values: Mapping[str, Any], title: str, reference: float) -> Picture:
    ordered = sorted(values.items(), key=lambda item: item[1], reverse=True)
    names = [short(name) for name, _ in ordered]
    heights = [max(-0.2, value) for _, value in ordered]
    figure, axes = new_axes(WIDTH, 60 + 15 * len(names))
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
    "inter_category_orthogonality": "Largest centroid cosine",
    "topographic_correlation": "Topographic correlation",
}
"""Names of the targets for readers."""


def view(result: Evaluation) -> View:
    """Return the section of the four targets."""
    metrics = result.metrics
    columns, ranks = metrics["quality_by_feature"], metrics["rank_quality_by_feature"]
    features = sorted(((value, name) for name, value in columns.items() if value is not None), key=lambda item: item[0])
    return View(
        key="targets",
        title="Quality",
        finding=f"{result.best_epoch.text[0].upper()}{result.best_epoch.text[1:]}. The score combines the "
        "validation loss, the topographic correlation and the quality. After a closed-form initialization, a later "
        "epoch is selected only if its quality is also above that of epoch 0.",
        pictures=[by_category(result), by_feature(result)],
        tables=[
            Table(
                f"Quality of all {len(features)} features, worst first",
                ("feature", "quality", "rank quality"),
                [(name, number(value), number(ranks[name])) for value, name in features],
                "1 is a perfect reconstruction, 0 is the training mean, and a negative quality is worse than the mean. "
                "The rank quality is that of the ranks among the training rows.",
            )
        ],
        remarks=[f"{line}." for line in second_values(metrics)],
    )
