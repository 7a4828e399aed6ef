"""The output of ``inspect`` for an ANO model and for a file of ``predict-operators``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from spinlock.cli.terminal import stdout, text_table
from spinlock.cli.views.dataset import print_attributes
from spinlock.io.inputs.file import InputFile
from spinlock.io.predictions.reading import PredictedOperators
from spinlock.io.predictions.row import PredictedRow


def print_ano_model(path: Path) -> None:
    """Print families, sizes, split, metrics and provenance of an ANO model."""
    from spinlock.ano.checkpoint.record import ANOCheckpoint
    from spinlock.cli.views.ano.commands import print_metrics, short_names

    console, checkpoint = stdout(), ANOCheckpoint.load(path)
    space, spec, source, provenance = checkpoint.space, checkpoint.spec, checkpoint.source, checkpoint.provenance
    console.print(
        f"ANO model: {len(space.families)} families, {len(spec.codebook_sizes)} token columns, "
        f"{checkpoint.config.members} members"
    )
    rows = [
        (family, "prior" if prior else "network", ", ".join(short_names(space.names, columns, family)))
        for family, columns, prior in zip(space.families, space.columns, space.prior_only, strict=True)
    ]
    console.print(text_table(("family", "density", "parameters"), rows))
    if checkpoint.calibration is None:
        console.print("training is not finished: the metrics are measured at the end of training")
    else:
        print_metrics(checkpoint)
    sizes = ", ".join(f"{part} {size}" for part, size in checkpoint.split.sizes.items())
    console.print(f"tokens: {len(source.operators)} operators ({sizes}), tokenizer {source.model_sha256}")
    console.print(f"versions: {', '.join(f'{name} {number}' for name, number in provenance.versions.items())}")
    console.print(f"started {provenance.started}: {provenance.command_line}", markup=False)


def print_predictions(path: Path, row: int | None) -> None:
    """Print the predicted families and the attributes of a file of predictions, or one row."""
    if row is not None:
        _print_row(PredictedRow.read(path, row), row)
        return
    console, predicted = stdout(), PredictedOperators.read(path)
    counts = Counter(predicted.family.tolist()).most_common()
    console.print(f"predictions of {len(predicted.family)} operators")
    console.print(text_table(("most plausible family", "rows"), [(name, str(count)) for name, count in counts]))
    with InputFile.open(path) as file:
        print_attributes(console, file.attributes)


def _print_row(predicted: PredictedRow, row: int) -> None:
    """Print the probabilities of the families, the parameters with their intervals, and the candidates."""
    console = stdout()
    families = sorted(predicted.probabilities.items(), key=lambda pair: -pair[1])
    shown = ", ".join(f"{name} {probability:.3f}" for name, probability in families[:3])
    console.print(f"row {row}: most probable families {shown}")
    if predicted.parameters:
        rows = [
            (name, f"{each.median:.4g}", *(f"{low:.4g} to {high:.4g}" for low, high in each.intervals))
            for name, each in predicted.parameters.items()
        ]
        title = f"parameters of {predicted.family}"
        levels = (f"{level:.0%} interval" for level in predicted.levels)
        console.print(text_table(("parameter", "median", *levels), rows, title=title))
    rows = [
        (
            each.family,
            f"{each.probability:.3f}",
            ", ".join(f"{name.removeprefix(f'{each.family}.')} {value:.4g}" for name, value in each.parameters.items()),
        )
        for each in predicted.candidates
    ]
    console.print(text_table(("family", "probability", "parameters"), rows, title="most plausible operators"))
