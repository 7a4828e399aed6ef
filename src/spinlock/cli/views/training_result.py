"""The end of a training run: which epoch was chosen, the four targets, what limits a missed one, and the files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spinlock.cli.terminal import out
from spinlock.cli.views.targets import target_rows
from spinlock.evaluation.final_metrics import Limits, advice, target_table

if TYPE_CHECKING:
    from spinlock.training.run import Run


def tell_result(run: Run) -> None:
    """Print the outcome of a finished run to stdout."""
    console, metrics, progress = out(), run.metrics, run.state.progress
    qualities = [value for value in run.state.history.columns["val_quality"] if value is not None]
    start, chosen = qualities[0], metrics["reconstruction_quality"]
    if progress.best_epoch == 0 and progress.epoch > 0:
        console.print(
            f"epoch 0 of {progress.epoch} was chosen (quality {start:.4f}): training did not improve on the start in "
            f"the score that chooses; the best quality of an epoch was {max(qualities[1:], default=start):.4f}"
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
        max_bits=fixed.config.max_bits,
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
    levels = metrics["quality_by_level"]
    for level in range(1, len(levels)):
        if levels[level] < levels[level - 1]:
            console.print(
                f"level {level + 1} adds nothing on the validation rows ({levels[level - 1]:.3f} to "
                f"{levels[level]:.3f}): too few rows or too heavy tails for so many codes"
            )
    if metrics["quality_joint"] is not None:
        console.print(_locality(metrics, fixed.spec.assignment))
    console.print(f"written: {run.fixed.config.output_dir}")


def _locality(metrics: Mapping[str, Any], own: str) -> str:
    """Both kinds of tokens at the same bits, and how local the joint ones are."""
    kinds = (f"{kind} tokens {metrics[f'quality_{kind}']:.3f}" for kind in ("local", "joint"))
    told = ", ".join(kind if kind.startswith(own) else f"{kind} (not trained)" for kind in kinds)
    return (
        f"at these bits: {told}; {metrics['share_of_equal_tokens']:.0%} of the joint tokens equal the local ones, and "
        f"a joint code has {metrics['energy_within_category']:.0%} of its energy in its own category"
    )
