"""The page of an evaluation: one HTML file without any request."""

from __future__ import annotations

from spinlock.evaluation.evaluation import Evaluation
from spinlock.evaluation.findings import findings
from spinlock.model import LEVELS
from spinlock.plots.render import render
from spinlock.plots.report import (
    aliasing,
    compression,
    discriminability,
    health,
    reconstruction,
    stability,
    targets,
    topology,
)
from spinlock.plots.theme import themed
from spinlock.plots.view import Picture, View, number


def evaluation_page(result: Evaluation) -> str:
    """Return the page of an evaluation.

    Parameters
    ----------
    result
        The evaluation; a section that was not measured is left out.

    Returns
    -------
    str
        HTML that makes no request, opens from a disk and follows the light or dark theme of the reader.
    """
    with themed():
        return render(
            "report.html.jinja",
            result=result,
            setup=result.setup,
            verdict=_verdict(result),
            rows=_rows(result),
            facts=_facts(result),
            target_label=targets.LABELS,
            number=number,
            findings=findings(result),
            hero=_hero(result),
            views=_views(result),
        )


def _views(result: Evaluation) -> list[View]:
    """Return the sections that were measured, in the order of the page."""
    views = [targets.view(result)]
    if result.compression is not None:
        views.append(compression.view(result.compression))
    if result.reconstruction is not None:
        views.append(
            reconstruction.view(result.reconstruction, result.shift, are_validation_rows=result.rows == "validation")
        )
    if result.topology is not None:
        views.append(topology.view(result.topology))
    if result.discriminability is not None:
        views.append(discriminability.view(result.discriminability))
    if result.aliasing is not None:
        views.append(aliasing.view(result.aliasing))
    if result.stability is not None or result.churn is not None:
        views.append(stability.view(result.stability, result.churn))
    if result.health is not None:
        views.append(health.view(result.health))
    return views


def _hero(result: Evaluation) -> Picture:
    """Return the picture at the top of the page."""
    if result.compression is not None:
        return compression.rate_distortion(result.compression, float(result.metrics["reconstruction_quality"]))
    return targets.by_category(result)


def _verdict(result: Evaluation) -> str:
    """Return one sentence about the targets."""
    met, total = sum(target.met for target in result.targets), len(result.targets)
    return "All four targets are met" if met == total else f"{met} of {total} targets are met"


def _rows(result: Evaluation) -> str:
    """Return one sentence about the rows that were measured."""
    setup = result.setup
    which = {
        "validation": f"the {result.num_rows:,} validation rows of the table on which the model was trained",
        "all": f"all {result.num_rows:,} rows of a table on which the model was not trained",
        "sample": f"a random sample of {result.num_rows:,} of the {setup.num_table_rows:,} rows of a table on which "
        "the model was not trained",
    }[result.rows]
    sections = (
        f" The sections use a random sample of {setup.num_rows:,} of them." if setup.num_rows < result.num_rows else ""
    )
    return f"Measured on {which}.{sections}"


def _facts(result: Evaluation) -> list[str]:
    """Return short facts about the tokenizer."""
    setup, bits = result.setup, result.metrics["bits_per_sample"]
    categories = "1 category" if setup.num_categories == 1 else f"{setup.num_categories} categories"
    tokens = f"{LEVELS * setup.num_categories} {setup.assignment} tokens"
    return [f"{setup.num_columns} columns", categories, tokens, f"{bits:.0f} bits per row"]
