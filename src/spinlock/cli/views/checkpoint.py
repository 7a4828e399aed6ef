"""The output of ``inspect`` for a checkpoint."""

from __future__ import annotations

from pathlib import Path

from spinlock.checkpoint.file import load_checkpoint
from spinlock.checkpoint.format import FORMAT_VERSION
from spinlock.cli.terminal import stdout, text_table
from spinlock.cli.views.columns import print_dropped, print_normalization
from spinlock.cli.views.targets import print_targets
from spinlock.errors import DataError


def print_checkpoint(path: Path) -> None:
    """Print progress, categories, targets, dropped columns, metrics, dataset and provenance of a checkpoint."""
    console, checkpoint = stdout(), load_checkpoint(path)
    progress, spec = checkpoint.state.progress, checkpoint.spec
    console.print(
        f"checkpoint of format {FORMAT_VERSION}: best epoch {progress.best_epoch}, trained to epoch "
        f"{progress.epoch} of {checkpoint.config.epochs}, assignment {spec.assignment}"
    )
    rows = [
        (name, str(len(group)), "/".join(map(str, dims)), "/".join(map(str, codes)))
        for name, group, dims, codes in zip(
            spec.category_names, spec.groups, spec.latent_dims, spec.num_codes, strict=True
        )
    ]
    console.print(text_table(("category", "columns", "latent dims", "codes"), rows))
    if checkpoint.finished:
        print_targets(console, checkpoint.metrics)
    else:
        console.print("training is not finished: the targets are measured at the end of training")
    print_dropped(console, checkpoint.cleaner.dropped)
    print_normalization(console, checkpoint.cleaner)
    scalars = [(name, f"{value:.4f}") for name, value in checkpoint.metrics.items() if isinstance(value, float)]
    console.print(text_table(("metric", "value"), scalars))
    dataset, provenance = checkpoint.dataset, checkpoint.provenance
    console.print(
        f"dataset: {dataset.num_operators} operators, {len(checkpoint.feature_names)} columns, "
        f"{dataset.family}/{dataset.feature_type}, sha256 {dataset.sha256}"
    )
    console.print(f"versions: {', '.join(f'{name} {number}' for name, number in provenance.versions.items())}")
    console.print(f"started {provenance.started}: {provenance.command_line}", markup=False)


def print_checkpoint_targets(path: Path) -> None:
    """Print the four targets of a checkpoint.

    Raises
    ------
    DataError
        The training run is not finished.
    """
    checkpoint = load_checkpoint(path)
    if not checkpoint.finished:
        raise DataError(
            "the training run is not finished",
            where=str(path),
            expected="a finished run",
            remedy="continue it with train-vqvae --resume-from",
        )
    print_targets(stdout(), checkpoint.metrics)
