"""Markdown tables of the results of ``ano.py``, each between the markers with which docs/ano.md includes it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import markdown

Result = dict[str, Any]

TARGETS = (
    ("family accuracy", "family_accuracy", "at least 0.95"),
    ("expected calibration error of the family", "family_ece", "below 0.02"),
    ("largest error of the coverage", "coverage_error", "at most 0.03"),
    ("parameters with uniform ranks", "share_uniform", "at least 0.95"),
    ("gap of the expected coverage (TARP)", "tarp_gap", "below 0.05"),
)
"""Label, metric and goal of each target; that of the information is among the ratios."""

RATIOS = (
    ("ANO / decoded features", "information_ratio", "at least 0.95"),
    ("decoded / raw features", "kept_by_tokenizer", ""),
    ("ANO / raw features", "kept", "at least 0.85"),
)
"""Label, key and goal of each ratio of two stages of the information."""

LEVELS = ("level 0", "level 1", "level 2")
"""Levels of the tokens; level 0 is the coarsest."""


def quality_table(results: Sequence[Result]) -> str:
    """Return the metrics of each seed; information and ratios have their standard errors."""
    rows = target_rows("test operators", results)
    for position, stage in enumerate(results[0]["information"]["stages"]):
        stages = [result["information"]["stages"][position] for result in results]
        rows.append(
            [
                f"bits per operator: {stage['name']}",
                *(f"{each['bits']:.2f} ± {each['error']:.2f}" for each in stages),
                "",
            ]
        )
    for label, key, goal in RATIOS:
        information = [result["information"] for result in results]
        rows.append([label, *(f"{each[key]:.3f}{_error(each.get(f'{key}_error'))}" for each in information), goal])
    return markdown.table(["", *seed_columns(results), "goal"], rows)


def target_rows(operators: str, results: Sequence[Result]) -> list[list[str]]:
    """Return the number of measured operators, which are called ``operators``, and the metrics of each seed."""
    rows = [[operators, *(str(result["operators"]) for result in results), ""]]
    for label, metric, goal in TARGETS:
        values = [{target["metric"]: target["value"] for target in result["targets"]}[metric] for result in results]
        rows.append([label, *(f"{value:.3f}" for value in values), goal])
    return rows


def _error(value: float | None) -> str:
    """Return a standard error with its sign, or nothing if it was not measured."""
    return "" if value is None else f" ± {value:.3f}"


def baseline_table(results: Sequence[Result]) -> str:
    """Return accuracy and mean fraction of variance explained of ANO and of the baselines."""
    methods = {"ANO": list(results)}
    for position, method in enumerate(results[0]["baselines"]):
        name = f"{method['method']}, {method['representation']}"
        methods[name] = [result["baselines"][position] for result in results]
    rows = [
        [name, *(markdown.mean_and_half_range([each[key] for each in found]) for key in ("accuracy", "mean_r2"))]
        for name, found in methods.items()
    ]
    prior = markdown.mean_and_half_range([result["prior_accuracy"] for result in results])
    return markdown.table(["method", "family accuracy", "mean R2 of the parameters"], [*rows, ["prior", prior, "0"]])


def closed_loop_table(results: Sequence[Result], kind: str) -> str:
    """Return the agreement of the operators of one kind, ``pde`` or ``neural``.

    Equal tokens are those of each seed with their standard error. Levels and feature error are means over the seeds.
    """
    loops = [result["closed_loop"] for result in results]
    rows = [["operators", *(str(loop["operators"][kind]) for loop in loops), "", "", "", ""]]
    for name in loops[0]["agreement"][kind]:
        cells = [loop["agreement"][kind][name] for loop in loops]
        equal = [f"{100 * cell['equal_tokens']:.1f} ± {100 * cell['standard_error']:.1f} %" for cell in cells]
        levels = [f"{100 * statistics.mean(cell['by_level'][level] for cell in cells):.1f} %" for level in LEVELS]
        rows.append([name, *equal, *levels, f"{statistics.mean(cell['feature_error'] for cell in cells):.2f}"])
    columns = ["", *seed_columns(results), *LEVELS, "feature error"]
    return markdown.table(columns, rows)


def duration_table(results: Sequence[Result]) -> str:
    """Return the seconds of each command."""
    rows = [
        [f"`{command}`", *(f"{result['seconds'][command]:.0f} s" for result in results)]
        for command in results[0]["seconds"]
    ]
    return markdown.table(["command", *seed_columns(results)], rows)


def seed_columns(results: Sequence[Result]) -> list[str]:
    """Return the heading of the column of each seed."""
    return [f"seed {result['seed']}" for result in results]


def report(content: dict[str, Any]) -> str:
    """Return all tables between their markers."""
    results = content["results"]
    tables = {
        "ano quality": quality_table(results),
        "ano baselines": baseline_table(results),
        "ano closed loop": closed_loop_table(results, "pde"),
        "ano closed loop neural": closed_loop_table(results, "neural"),
        "ano durations": duration_table(results),
    }
    if all("new_operators" in result for result in results):
        rows = target_rows("new operators", [result["new_operators"] for result in results])
        tables["ano new operators"] = markdown.table(["", *seed_columns(results), "goal"], rows)
    head = f"{content['machine']}\n\n{content['dataset']}: {content['rows']} rows, {content['bits_per_row']:.0f} bits"
    return "\n\n".join(
        [head, *(f"<!-- begin {name} -->\n\n{table}\n\n<!-- end {name} -->" for name, table in tables.items())]
    )
