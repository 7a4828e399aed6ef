"""The end of a training run: which epoch was chosen, the four targets, what limits a missed one, and the files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spinlock.cli.console import out
from spinlock.cli.targets import target_rows
from spinlock.training.report import Limits, advice, target_table

if TYPE_CHECKING:
    from spinlock.training.run import Run


def tell_result(run: Run) -> None:
    """Print the outcome of a finished run to stdout."""
    console, metrics, progress = out(), run.metrics, run.state.progress
    qualities = [value for value in run.state.history.columns["val_quality"] if value is not None]
    start, chosen = qualities[0], metrics["reconstruction_quality"]
    if progress.best_epoch == 0 and progress.epoch > 0:
        console.print(
            f"epoch 0 of {progress.epoch} was chosen: training did not improve on the warm start (quality {start:.4f})"
        )
    else:
        console.print(f"epoch {progress.best_epoch} of {progress.epoch} was chosen (quality {start:.4f} at epoch 0)")
    found = target_table(metrics)
    console.print(target_rows(metrics))
    fixed = run.fixed
    limits = Limits(
        len(fixed.data.train),
        len(fixed.data.validation),
        local=fixed.spec.assignment == "local",
        discovered=fixed.config.category_assignment != "manual",
        meets_target=bool(fixed.discovery["meets_target"]),
    )
    for target in found:
        if not target.met:
            console.print(f"{target.metric}: {advice(target, metrics, limits)}.")
    bound = metrics["rate_distortion_quality"]["held_out"]
    console.print(
        f"{metrics['bits_per_sample']:.0f} bits per row in {3 * run.fixed.spec.num_categories} tokens "
        f"({run.fixed.spec.assignment}); quality by level "
        f"{' / '.join(f'{value:.3f}' for value in metrics['quality_by_level'])}; training rows "
        f"{metrics['quality_train']:.3f}; Gaussian bound {bound:.3f}; over all columns "
        f"{metrics['quality_all_columns']:.3f}; chosen epoch quality {chosen:.4f}"
    )
    console.print(
        f"at these bits: local tokens {metrics['quality_local']:.3f}, joint tokens {metrics['quality_joint']:.3f}"
        f"{' (fitted for comparison, not trained)' if limits.local else ''}; "
        f"{metrics['share_of_equal_tokens']:.0%} of the joint tokens equal the local ones, and a joint code has "
        f"{metrics['energy_within_category']:.0%} of its energy in its own category"
    )
    console.print(f"written: {run.fixed.config.output_dir}")
