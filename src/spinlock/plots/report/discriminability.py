"""Section *discriminability* of the page."""

from __future__ import annotations

import numpy as np

from spinlock.evaluation.discriminability.information import CategoryInformation
from spinlock.evaluation.discriminability.probes import MAX_PROBE_ROWS
from spinlock.evaluation.discriminability.section import AttributeResult, Discriminability
from spinlock.plots.charts import heat_map, short
from spinlock.plots.theme import BLUE, GREEN, INK, ORANGE, PAPER, SERIES, WIDTH, new_axes
from spinlock.plots.view import Picture, Table, View, number

REPRESENTATIONS = {"features": GREEN, "decoded features": ORANGE, "tokens": BLUE}
METHODS = {"linear": "o", "nearest neighbors": "D"}

MAX_LINES = 6
"""Number of attributes whose information is drawn by level."""


def view(result: Discriminability) -> View:
    """Return the section."""
    skipped = [
        Table(
            "Labels and parameters that are not measured", ("name", "reason"), list(result.skipped.items()), text=True
        )
    ]
    tables = skipped if result.skipped else []
    if not result.attributes:
        none = "The dataset has no label or parameter that can be measured."
        return View("discriminability", "Discriminability", none, tables=tables)
    best = max(result.attributes, key=_gain)
    kind = "variance explained" if best.is_numeric else "accuracy"
    finding = (
        f"Of all labels, tokens predict {best.name} best above chance: a linear probe of tokens reaches "
        f"{best.score('tokens', 'linear'):.2f} "
        f"({kind}; chance {best.chance:.2f}; from features {best.score('features', 'linear'):.2f}), measured on "
        "operators that were not in its fit."
    )
    pictures = [_probes(result), _matrix(result), _levels(result)]
    tables = [_table(result), _information(result), *tables]
    return View("discriminability", "Discriminability", finding, pictures, tables)


def _gain(attribute: AttributeResult) -> float:
    return attribute.score("tokens", "linear") - attribute.chance


def _probes(result: Discriminability) -> Picture:
    figure, axes = new_axes(WIDTH, 90 + 26 * len(result.attributes))
    for y, attribute in enumerate(result.attributes):
        axes.plot(
            [attribute.chance] * 2, [y - 0.32, y + 0.32], color=INK, linewidth=2, label="chance" if y == 0 else None
        )
        for name, color in REPRESENTATIONS.items():
            for method, marker in METHODS.items():
                score = max(-0.1, attribute.score(name, method))
                face = color if method == "linear" else PAPER
                label = f"{name}, {method.split()[0]}" if y == 0 else None
                axes.plot(score, y, marker, color=color, markerfacecolor=face, markersize=6, label=label)
    axes.set_yticks(range(len(result.attributes)), [short(attribute.name, 22) for attribute in result.attributes])
    axes.set_ylim(len(result.attributes) - 0.5, -0.5)
    axes.set_xlim(-0.13, 1.03)
    axes.set_xlabel("accuracy, or fraction of variance explained")
    figure.legend(loc="outside upper left", ncols=2)
    return Picture(
        "Scores of probes for each label, from tokens, decoded features and features",
        figure,
        "Filled: linear. Open: 5 nearest neighbors. All rows of an operator are in one of five folds. Scores are cut "
        "at -0.1.",
    )


def _matrix(result: Discriminability) -> Picture:
    categories = list(result.attributes[0].by_category)
    values = np.array([[a.by_category[name].adjusted for a in result.attributes] for name in categories])
    order = np.argsort(-values.max(1), kind="stable")
    i, j = np.unravel_index(values.argmax(), values.shape)
    names = [attribute.name for attribute in result.attributes]
    figure = heat_map(values[order], [categories[c] for c in order], names)
    return Picture(
        f"{categories[i]} has the most information about {names[j]}",
        figure,
        "Fraction of the entropy of each label that the first token of each category determines, corrected for chance "
        f"by permutations, on at most {result.num_known_rows:,} rows.",
    )


def _levels(result: Discriminability) -> Picture:
    figure, axes = new_axes(WIDTH, 280)
    ranked = sorted(result.attributes, key=lambda a: -_best(a)[1].cumulative[0].excess)[:MAX_LINES]
    for color, attribute in zip(SERIES, ranked, strict=False):
        name, best = _best(attribute)
        bits = [information.excess for information in best.cumulative]
        axes.plot([1, 2, 3], bits, "o-", color=color, label=f"{short(attribute.name, 16)}: {short(name, 16)}")
    axes.set_xticks([1, 2, 3], ["level 1", "levels 1–2", "levels 1–3"])
    axes.set_ylabel("bits above permuted labels")
    axes.set_ylim(0, None)
    figure.legend(loc="outside upper left", ncols=2)
    return Picture(
        "Information of the first levels, for the category with the most information about each label",
        figure,
        "Mutual information minus that of permuted labels. It can fall where combinations of codes have few rows, "
        "because the mutual information of permuted labels is then large.",
    )


def _best(attribute: AttributeResult) -> tuple[str, CategoryInformation]:
    return max(attribute.by_category.items(), key=lambda item: item[1].adjusted)


def _table(result: Discriminability) -> Table:
    rows = []
    for a in result.attributes:
        scores = [
            number(a.score(name, method), 2)
            for name in ("tokens", "decoded features", "features")
            for method in METHODS
        ]
        kind = "number" if a.is_numeric else f"{a.num_classes} classes"
        rows.append(
            (a.name, kind, f"{min(a.num_rows, MAX_PROBE_ROWS):,}", f"{a.num_missing:,}", number(a.chance, 2), *scores)
        )
    columns = (
        "label",
        "kind",
        "rows",
        "missing",
        "chance",
        *(f"{name}, {m}" for name in ("tokens", "decoded", "features") for m in ("linear", "nearest")),
    )
    note = (
        f"Scores on at most {result.num_probe_rows:,} rows: accuracies for classes, and fractions of variance "
        "explained for numbers."
    )
    return Table("Scores of all probes", columns, rows, note)


def _information(result: Discriminability) -> Table:
    rows = []
    for attribute in result.attributes:
        ranked = sorted(attribute.by_category.items(), key=lambda item: -item[1].adjusted)
        for name, category in ranked[:8]:
            levels = [f"{each.bits:.2f} ({each.null:.2f})" for each in category.cumulative]
            first = category.by_token[0]
            mark = "yes" if first.is_significant else "no"
            rows.append(
                (attribute.name, name, f"{attribute.entropy_bits:.2f}", *levels, number(category.normalized, 2), mark)
            )
    columns = ("label", "category", "entropy", "level 1", "levels 1–2", "levels 1–3", "normalized", "above chance")
    note = (
        "Mutual information in bits of the tokens of a category with each label, with the mean of permuted labels in "
        "parentheses, for the eight categories with the most information. Above chance: the first token exceeds 95% "
        "of the permutations."
    )
    return Table("Mutual information by level", columns, rows, note, two_names=True)
