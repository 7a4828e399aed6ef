"""The page of an evaluation of an ANO: one HTML file without any request."""

from __future__ import annotations

from spinlock.ano.evaluation.result import ANOEvaluation
from spinlock.closed_loop.loop import ClosedLoop
from spinlock.plots.ano import calibration, closed_loop, families, information, parameters
from spinlock.plots.render import render
from spinlock.plots.theme import themed
from spinlock.plots.view import Picture, View, number

LABELS = {
    "family_accuracy": "Accuracy of the family",
    "family_ece": "Calibration error of the family",
    "coverage_error": "Error of the coverage",
    "share_uniform": "Parameters with uniform ranks",
    "tarp_gap": "Gap of the expected coverage",
    "information_ratio": "Information, ANO / decoded features",
    "closed_loop_gap": "Closed loop, original - best mode",
}
"""Names of the targets for readers."""


def ano_page(result: ANOEvaluation, loop: ClosedLoop | None = None) -> str:
    """Return the page of an evaluation.

    Parameters
    ----------
    result
        The evaluation.
    loop
        The closed loop of the predictions, if it was measured.

    Returns
    -------
    str
        HTML that makes no request, opens from a disk and follows the light or dark theme of the reader.
    """
    with themed():
        return render(
            "ano.html.jinja",
            result=result,
            setup=result.setup,
            verdict=_verdict(result),
            rows=_rows(result),
            facts=_facts(result),
            target_label=LABELS,
            number=number,
            findings=[],
            hero=_hero(result),
            views=_views(result, loop),
        )


def _views(result: ANOEvaluation, loop: ClosedLoop | None) -> list[View]:
    """Return the sections in the order of the page."""
    views = [
        families.view(result.families),
        parameters.view(result.parameters),
        calibration.view(result.calibration),
        information.view(result),
    ]
    if result.baselines is not None:
        views.append(information.baselines_view(result.baselines, result.families.accuracy, result.parameters))
    if loop is not None:
        views.append(closed_loop.view(loop))
    return views


def _hero(result: ANOEvaluation) -> Picture:
    """Return the picture at the top of the page."""
    if result.information is not None and len(result.information.stages) > 2:
        return information.chain(result.information)
    return parameters.coverage(result.parameters)


def _verdict(result: ANOEvaluation) -> str:
    """Return one sentence about the targets."""
    measured = [target for target in result.targets if target.value is not None]
    met = sum(target.met for target in measured)
    missing = len(result.targets) - len(measured)
    text = f"All {met} targets are met" if met == len(measured) else f"{met} of {len(measured)} targets are met"
    return f"{text}, {missing} {'was' if missing == 1 else 'were'} not measured" if missing else text


def _rows(result: ANOEvaluation) -> str:
    """Return one sentence about the operators that were measured."""
    setup = result.setup
    which = "test operators of the training" if setup.same_tokens else "operators of another token file"
    text = f"Measured on {setup.num_operators:,} {which}. Nothing of ANO was fitted or chosen on them."
    if setup.num_excluded and not setup.same_tokens:
        text += f" {setup.num_excluded:,} operators of the training are left out."
    return f"{text} The tokenizer was not fitted on {setup.num_unseen:,} of the measured operators."


def _facts(result: ANOEvaluation) -> list[str]:
    """Return short facts about the model."""
    setup = result.setup
    return [
        f"{setup.num_families} families",
        f"{setup.num_parameters} parameters",
        f"{setup.num_token_columns} tokens for each operator",
    ]
