"""The output of ``train-ano``, ``predict-operators`` and ``evaluate-ano``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spinlock.cli.terminal import format_duration, log, stdout, text_table
from spinlock.cli.views.notes import log_notes
from spinlock.cli.views.progress import progress

if TYPE_CHECKING:
    from spinlock.ano.checkpoint.record import ANOCheckpoint
    from spinlock.ano.evaluation.result import ANOEvaluation
    from spinlock.ano.predict_file import PredictionSummary
    from spinlock.ano.training.plan import Plan
    from spinlock.ano.training.run import Run
    from spinlock.ano.training.state import EpochRecord
    from spinlock.closed_loop.loop import ClosedLoop

KINDS = {"pde": "PDE operators", "neural": "neural operators, with new weights and a random policy"}
"""Names of the two kinds of operators of a closed loop."""


def print_plan(plan: Plan) -> None:
    """Print the families, their parameters, the split and the sizes of the network."""
    from spinlock.ano.network.member import Member

    console, space = stdout(), plan.space
    counts = np.bincount(plan.data.family, minlength=len(space.families)).tolist()
    rows = [
        [name, str(count), "prior" if prior else "network", ", ".join(short_names(space.names, columns, name))]
        for name, count, prior, columns in zip(space.families, counts, space.prior_only, space.columns, strict=True)
    ]
    console.print(text_table(("family", "operators", "density", "parameters"), rows))
    sizes = ", ".join(f"{part} {size}" for part, size in plan.split.sizes.items())
    console.print(f"operators: {sizes}")
    weights = sum(parameter.numel() for parameter in Member(plan.spec).parameters())
    console.print(
        f"{len(plan.spec.codebook_sizes)} tokens with {sum(plan.spec.codebook_sizes)} codes; {plan.config.members} "
        f"members with {weights:,} weights each; at most {plan.config.epochs} epochs"
    )
    log_notes(plan.notes)


def short_names(names: tuple[str, ...], columns: tuple[int, ...], family: str) -> list[str]:
    """Return the names of the parameters of a family without the name of the family."""
    return [names[column].removeprefix(f"{family}.") for column in columns]


@contextmanager
def training_progress(run: Run) -> Iterator[Callable[[EpochRecord], None]]:
    """Show the progress of the members during a ``with`` block; it yields the function to call after each epoch."""
    config, started = run.plan.config, time.monotonic()
    if run.state.history:
        log(f"resumed at member {run.state.member}, epoch {run.state.epoch}")
    shown = run.state.member
    with progress("training", config.members * config.epochs, unit="epochs") as advance:
        advance(sum(record["epoch"] > 0 for record in run.state.history))

        def on_epoch(record: EpochRecord) -> None:
            nonlocal shown
            if record["member"] != shown:
                advance(config.epochs - _log_member(run.state.history, shown))
                shown = int(record["member"])
            advance(1)

        yield on_epoch
    _log_member(run.state.history, shown)
    log(f"training took {format_duration(time.monotonic() - started)}")


def _log_member(history: list[EpochRecord], member: int) -> int:
    """Log the best epochs of both parts of a member, and return the number of its epochs."""
    epochs = [record for record in history if record["member"] == member]
    if epochs:
        family = min(epochs, key=lambda record: record["val_family_loss"])
        density = max(epochs, key=lambda record: record["val_information_bits"])
        log(
            f"member {member}, {len(epochs) - 1} epochs; on validation operators: family "
            f"{family['val_family_loss']:.3f} nats "
            f"after epoch {family['epoch']}, information about the parameters "
            f"{density['val_information_bits']:.2f} bits after epoch {density['epoch']}"
        )
    return len(epochs) - 1


def print_result(checkpoint: ANOCheckpoint, output: Path) -> None:
    """Print the metrics of a finished run, and its file."""
    print_metrics(checkpoint)
    stdout().print(f"written: {output / 'best_model.pt'}")


def print_metrics(checkpoint: ANOCheckpoint) -> None:
    """Print the metrics of a finished run."""
    console, metrics, space = stdout(), checkpoint.metrics, checkpoint.space
    coverage, by_name = metrics["coverage"], metrics["parameter_coverage"]
    rows = []
    for family, columns in zip(space.families, space.columns, strict=True):
        if family not in metrics["family_recall"]:
            continue
        names = [space.names[column] for column in columns if space.names[column] in by_name]
        means = [np.mean([by_name[name][level] for name in names]) if names else np.nan for level in coverage]
        rows.append([family, f"{metrics['family_recall'][family]:.3f}", *(f"{value:.2f}" for value in means)])
    console.print(text_table(("family", "recall", *(f"{float(c):.0%} interval" for c in coverage)), rows))
    console.print(
        f"on {metrics['operators']} test operators: family accuracy {metrics['family_accuracy']:.3f}, expected "
        f"calibration error {metrics['family_ece']:.3f}, information about the parameters "
        f"{metrics['information_bits']:.2f} bits per operator"
    )
    covered = ", ".join(f"{float(level):.0%}: {value:.1%}" for level, value in coverage.items())
    console.print(f"coverage of the intervals, all parameters together: {covered}")


def print_prediction(summary: PredictionSummary, output: Path) -> None:
    """Print the counts of a file of predictions."""
    console = stdout()
    console.print(text_table(("predicted family", "rows"), [[n, str(c)] for n, c in summary.families.items()]))
    console.print(f"predicted {summary.rows} rows; mean probability of the family {summary.confidence:.3f}")
    if summary.accuracy is not None:
        console.print(
            f"{summary.accuracy:.1%} of the families equal the labels of all rows; evaluate-ano leaves out operators "
            "on which the model was fitted"
        )
    console.print(f"{summary.seconds:.1f} s; written: {output}")


def print_closed_loop(loop: ClosedLoop, output: Path) -> None:
    """Print the agreement of predicted operators with the original ones."""
    console = stdout()
    for kind, arms in loop.agreement.items():
        levels = next(iter(arms.values())).by_level
        rows = [
            [
                name,
                f"{100 * each.equal_tokens:.1f} ± {100 * each.standard_error:.1f} %",
                *(f"{100 * value:.1f} %" for value in each.by_level.values()),
                f"{each.feature_error:.2f}",
            ]
            for name, each in arms.items()
        ]
        title = f"closed loop of {loop.operators[kind]} {KINDS[kind]}"
        console.print(text_table(("simulated", "equal tokens", *levels, "feature error"), rows, title=title))
    console.print(
        "±: standard error over the operators. Other initial states: of the same kind, with other random numbers. "
        "Feature error: root mean square difference in standard deviations."
    )
    console.print(f"written: {output}")


def print_ano_evaluation(result: ANOEvaluation, page: Path) -> None:
    """Print the targets, what to know about missed ones, the information of each stage, and the path of the report."""
    console, setup = stdout(), result.setup
    which = "test operators of the training" if setup.same_tokens else "operators of another token file"
    console.print(f"{setup.num_operators} {which} were measured")
    if setup.num_excluded and not setup.same_tokens:
        console.print(f"{setup.num_excluded} operators of this file were left out: the model was trained on them")
    rows = [
        [
            target.metric,
            "–" if target.value is None else f"{target.value:.3f}",
            f"{'>=' if target.above else '<'} {target.threshold:.2f}",
            "not measured" if target.value is None else "met" if target.met else "missed",
        ]
        for target in result.targets
    ]
    console.print(text_table(("target", "value", "threshold", ""), rows))
    for metric, text in result.advice.items():
        console.print(f"{metric}: {text}.")
    for section, reason in result.skipped.items():
        console.print(f"{section} is not measured: {reason}")
    if result.information is not None:
        stages = ", ".join(f"{stage.name} {stage.bits:.2f}" for stage in result.information.stages)
        console.print(f"bits per operator about the parameters: {stages}")
    console.print(f"report: {page}")
