"""Printing of the plan of a training run: a few aligned lines before training, or the whole plan with ``--dry-run``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spinlock.cli.terminal import format_bytes, format_duration, log, log_fields, log_paragraph, stdout, text_table
from spinlock.cli.views.columns import dropped_summary, normalization_summary, print_normalization
from spinlock.config import dump_config
from spinlock.model import LEVELS, build_network
from spinlock.training.estimate import estimate
from spinlock.training.messages import adaptation_messages, schedule_messages

if TYPE_CHECKING:
    import torch

    from spinlock.sizing.selection import SelectionSummary
    from spinlock.training.plan import Plan


def log_plan(plan: Plan, *, verbose: bool) -> None:
    """Log the main parts of the plan."""
    data, spec, selection, batches = plan.data, plan.spec, plan.selection, plan.batch_plan
    table = data.table
    log_fields(
        [
            ("table", f"{table.path}: {table.num_operators} operators, {len(table.rows)} rows"),
            ("split", f"{len(data.split.train)} training rows, {len(data.split.validation)} validation rows"),
            ("dropped", dropped_summary(data.cleaner.dropped_by_reason(), len(table.names))),
            ("scaling", normalization_summary(data.cleaner)),
            (
                "categories",
                f"{spec.num_categories} of {spec.num_columns} columns, largest centroid cosine "
                f"{selection.chosen.cosine:.3f}",
            ),
            ("tokens", f"{LEVELS * spec.num_categories} per row ({spec.assignment}), {spec.bits_per_row:.0f} bits"),
            (
                "expected",
                f"{_expected_metrics(selection)} on held-out rows before training",
            ),
            (
                "training",
                f"epochs {plan.config.epochs}, steps per epoch {batches.steps}, rows per step {batches.batch}",
            ),
            ("compiler", plan.compile_plan.reason),
        ]
    )
    if verbose:
        for name, reason in data.cleaner.dropped.items():
            log(f"dropped {name}: {reason}")
        for message in schedule_messages(plan):
            log(message)
    for message in adaptation_messages(plan):
        log_paragraph(f"note: {message}")


def print_dry_run(plan: Plan, device: torch.device) -> None:
    """Print the whole plan of a new run: configuration, categories, sizes, expected metrics, schedule, time, memory."""
    console, spec, selection = stdout(), plan.spec, plan.selection
    console.print_lines(dump_config(plan.config))
    rows = [
        (name, str(len(group)), "/".join(map(str, dims)), "/".join(map(str, codes)))
        for name, group, dims, codes in zip(
            spec.category_names, spec.groups, spec.latent_dims, spec.num_codes, strict=True
        )
    ]
    console.print(text_table(("category", "columns", "latent dims", "codes per level"), rows, title="Categories"))
    parameters = sum(parameter.numel() for parameter in build_network(spec).parameters())
    print_normalization(console, plan.data.cleaner)
    console.print(f"parameters: {parameters}")
    console.print(f"bits per row: {spec.bits_per_row:.1f} in {LEVELS * spec.num_categories} tokens")
    start = "before training" if plan.config.warm_start else "with closed-form initialization (off in this run)"
    console.print(
        f"expected on held-out rows {start}: {_expected_metrics(selection)}; Gaussian reference at these bits: "
        f"{plan.data.gaussian_reference.held_out(spec.bits_per_row):.3f}"
    )
    for message in schedule_messages(plan):
        console.print(message)
    console.print(plan.compile_plan.reason)
    expected = estimate(plan, device)
    console.print(
        f"estimate: {format_duration(expected.seconds)} of training on {device}, {format_bytes(expected.memory)} of "
        "memory in addition to the program itself"
    )
    console.print("dry run: nothing was written")


def _expected_metrics(selection: SelectionSummary) -> str:
    """Return the metrics that the trial of the selected sizes had on held-out training rows."""
    ranks = selection.expected_rank_quality
    return ", ".join(
        [
            f"quality {selection.expected_quality:.3f}",
            *([] if ranks is None else [f"rank quality {ranks:.3f}"]),
            f"utilization {selection.expected_utilization:.3f}",
        ]
    )


def print_resumed_dry_run(plan: Plan, epoch: int) -> None:
    """Print the configuration of a resumed run and the number of remaining epochs."""
    console = stdout()
    console.print_lines(dump_config(plan.config))
    remaining = max(0, plan.config.epochs - epoch)
    console.print(f"training would continue after epoch {epoch}: {remaining} epochs remain")
    console.print("dry run: nothing was written")
