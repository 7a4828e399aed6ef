"""Sections *information* and *baselines* of the page of an ANO."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spinlock.ano.evaluation.information.section import ANO_STAGE, DECODED, RAW, TOKENS, Information
from spinlock.ano.evaluation.parameters import Parameters
from spinlock.ano.evaluation.result import ANOEvaluation
from spinlock.ano.evaluation.targets import INFORMATION_RATIO, KEPT_GOAL
from spinlock.evaluation.operators.section import Baselines
from spinlock.plots.charts import ROW, bars
from spinlock.plots.theme import BLUE, GREEN, INK, SKY, WIDTH, new_axes
from spinlock.plots.view import Picture, Table, View, number, percent

SHORT = {DECODED: "decoded", TOKENS: "tokens"}
"""Short names of representations."""

COLORS = {RAW: GREEN, DECODED: SKY, TOKENS: SKY, ANO_STAGE: BLUE}


def view(result: ANOEvaluation) -> View:
    """Return the section; it says what could not be measured."""
    information = result.information
    remarks = [f"{_first_upper(stage)}: not measured, because {why}." for stage, why in result.skipped.items()]
    if information is None:
        finding = "The information along the chain was not measured."
        return View("information", "Information", finding, remarks=list(dict.fromkeys(remarks)))
    remarks = [
        *remarks,
        "The information is the mean of log2 p(z) - log2 p0(z) at the true parameters z, given the family, where p0 is "
        "the prior. The prior itself has 0 bits. All stages but ANO have the same estimator, kernel ridge regression "
        "with Gaussian errors. A weak estimator makes a value smaller: decoded features are a function of the tokens, "
        "so that tokens with a smaller value do not contain less.",
    ]
    return View(
        "information",
        "Information",
        finding=_finding(information),
        pictures=[chain(information)],
        tables=[_by_family(information)],
        remarks=remarks,
    )


def chain(information: Information) -> Picture:
    """Return the bits of each stage."""
    stages = information.stages
    figure, axes = new_axes(WIDTH, 74 + 2 * ROW * len(stages))
    values, errors = [stage.bits for stage in stages], [stage.error for stage in stages]
    axes.barh(range(len(stages)), values, color=[COLORS[stage.name] for stage in stages], height=0.66)
    axes.errorbar(values, range(len(stages)), xerr=errors, fmt="none", ecolor=INK, elinewidth=1.2, capsize=3)
    right = max(value + error for value, error in zip(values, errors, strict=True))
    for y, (value, error) in enumerate(zip(values, errors, strict=True)):
        axes.text(max(0, value + error) + 0.03 * right, y, f"{value:.2f}", va="center", color=INK, fontsize=10)
    axes.set_yticks(range(len(stages)), [stage.name for stage in stages])
    axes.set_ylim(len(stages) - 0.45, -0.55)
    axes.set_xlim(min(0.0, *values), 1.18 * right)
    axes.set_xlabel("bits per operator")
    axes.grid(axis="y", visible=False)
    ano = information.bits(ANO_STAGE)
    return Picture(
        f"Predictions contain {number(ano, 2)} bits about the parameters of an operator",
        figure,
        f"On {information.operators:,} test operators, given the family. Lines are one standard error. 0 bits is "
        "the prior.",
    )


def _finding(information: Information) -> str:
    """Return in plain words where information is lost."""
    texts = []
    raw, decoded, ano = (information.bits(name) for name in (RAW, DECODED, ANO_STAGE))
    if information.kept_by_tokenizer is not None and raw is not None and decoded is not None:
        error = information.kept_by_tokenizer_error or 0.0
        texts.append(
            f"Raw features have {raw:.2f} bits about the parameters, and decoded features {decoded:.2f}: the tokenizer "
            f"keeps {percent(information.kept_by_tokenizer)} (± {100 * error:.0f})."
        )
    if information.information_ratio is not None and decoded is not None and ano is not None:
        error = information.information_ratio_error or 0.0
        texts.append(
            f"ANO has {ano:.2f} bits, {percent(information.information_ratio)} of those of the same tokens after "
            f"decoding (± {100 * error:.0f}; goal {percent(INFORMATION_RATIO)})."
        )
    if information.kept is not None:
        texts.append(
            f"This is {percent(information.kept)} of the bits of the raw features (goal {percent(KEPT_GOAL)})."
        )
    if raw is not None and decoded is not None and ano is not None:
        lost = {
            "from the raw to the decoded features": raw - decoded,
            "from the decoded features to ANO": decoded - ano,
        }
        largest = max(lost, key=lambda name: lost[name])
        if lost[largest] > 0:
            texts.append(f"The largest loss, {lost[largest]:.2f} bits, is {largest}.")
    return " ".join(texts) or f"ANO has {number(ano, 2)} bits per operator, and the same estimator from tokens " + (
        f"{number(information.bits(TOKENS), 2)}."
    )


def _by_family(information: Information) -> Table:
    names = list(information.stages[-1].bits_by_family)
    rows = [(name, *(number(stage.bits_by_family[name], 2) for stage in information.stages)) for name in names]
    note = "A negative value is worse than the prior. With few operators of a family the error of a mean is large."
    columns = ("family", *(stage.name for stage in information.stages))
    return Table("Bits per operator of each family", columns, rows, note)


def baselines_view(baselines: Baselines, accuracy: float, parameters: Parameters) -> View:
    """Return the section of the baselines."""
    own = float(np.nanmean([each.r2_of_mean for each in parameters.parameters]))
    names = ["ANO", *(f"{each.method}, {SHORT[each.representation]}" for each in baselines.methods), "prior"]
    accuracies = [accuracy, *(each.accuracy for each in baselines.methods), baselines.prior_accuracy]
    scores = [own, *(each.mean_r2 for each in baselines.methods), 0.0]
    best = int(np.argmax(scores[1:-1])) + 1
    finding = (
        f"ANO recognizes the family of {percent(accuracy, 1)} of the operators, the best other method "
        f"{percent(max(accuracies[1:-1]), 1)}. Its posterior means explain {percent(own)} of the variance of a "
        f"parameter on average, and {names[best]}, {percent(scores[best])}."
    )
    pictures = [
        Picture("Accuracy of the family", bars(names, accuracies, "fraction of the operators")),
        Picture(
            "Fraction of variance explained of the parameters, given the family",
            bars(names, scores, "mean over the parameters"),
            "Of the coordinates in which the parameters were drawn uniformly.",
        ),
    ]
    return View("baselines", "Baselines", finding, pictures, [_table(baselines, parameters)])


def _table(baselines: Baselines, parameters: Parameters) -> Table:
    def score(r2: Mapping[str, Mapping[str, float]], family: str, name: str) -> str:
        return number(r2.get(family, {}).get(name), 2)

    rows = [
        (
            each.family,
            each.name,
            number(each.r2_of_mean, 2),
            *(score(method.r2, each.family, each.name) for method in baselines.methods),
        )
        for each in parameters.parameters
    ]
    methods = (f"{method.method}, {SHORT[method.representation]}" for method in baselines.methods)
    columns = ("family", "parameter", "ANO", *methods)
    return Table("Fraction of variance explained of each parameter", columns, rows, two_names=True)


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]
