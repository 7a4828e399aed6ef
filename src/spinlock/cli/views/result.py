"""Printing of the result of a training run: best epoch, the four targets, advice on missed targets, next command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spinlock.cli.terminal import stdout
from spinlock.cli.views.targets import print_targets
from spinlock.evaluation.best_epoch import best_epoch
from spinlock.evaluation.report import make_report
from spinlock.model import LEVELS
from spinlock.training.run import Run


def print_result(run: Run) -> None:
    """Print the outcome of a finished run to stdout."""
    console, metrics, spec = stdout(), run.metrics, run.plan.spec
    checkpoint = run.checkpoint()
    report = make_report(checkpoint, metrics)
    console.print(best_epoch(checkpoint).text)
    print_targets(console, metrics)
    for metric, text in report.advice.items():
        console.print(f"{metric}: {text}.")
    levels = metrics["quality_by_level"]
    console.print(
        f"{metrics['bits_per_sample']:.0f} bits per row in {LEVELS * spec.num_categories} tokens ({spec.assignment}); "
        f"quality by level {' / '.join(f'{value:.3f}' for value in levels)}; training rows "
        f"{metrics['quality_train']:.3f}; Gaussian reference "
        f"{metrics['rate_distortion_quality']['held_out']:.3f}; "
        f"over all columns {metrics['quality_all_columns']:.3f}"
    )
    for level in range(1, len(levels)):
        if levels[level] < levels[level - 1]:
            console.print(
                f"level {level + 1} reduces the quality of the validation rows from {levels[level - 1]:.3f} to "
                f"{levels[level]:.3f}: too many codes for the number of training rows, or columns with heavy tails"
            )
    if metrics["quality_joint"] is not None:
        console.print(_assignment_comparison(metrics, spec.assignment))
    console.print(f"written: {run.plan.config.output_dir}")
    console.print(f"next: {next_command(run)}", soft_wrap=True)  # a wrapped command cannot be copied


def next_command(run: Run) -> str:
    """Return the command that encodes the dataset of a finished run."""
    dataset = Path(run.plan.config.input_path)
    output = dataset.with_name(f"{dataset.stem}_tokens.h5")
    command = ["spinlock", "encode-to-tokens", "--dataset", str(dataset)]
    return shlex.join([*command, "--vqvae-model", str(run.directory.best), "--output", str(output)])


def _assignment_comparison(metrics: Mapping[str, Any], assignment: str) -> str:
    """Return the quality of both kinds of tokens at the same number of bits, and the locality of the joint tokens."""
    qualities = (
        f"{kind} tokens {metrics[f'quality_{kind}']:.3f}{'' if kind == assignment else ' (not trained)'}"
        for kind in ("local", "joint")
    )
    return (
        f"at these bits: {', '.join(qualities)}; {metrics['share_of_equal_tokens']:.0%} of the joint tokens equal the "
        f"local ones, and a joint code has {metrics['energy_within_category']:.0%} of its energy in its own category"
    )
