"""The command ``evaluate-tokens``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from spinlock.cli.options import Dataset, Device, Model, Overwrite, Quiet, path_option

Labels = Annotated[
    list[str] | None,
    typer.Option("--labels", help="Label or parameter to measure; may be repeated. By default the first twelve."),
]

METRICS, REPORT = "metrics.json", "report.html"
"""Files that the command writes."""


def evaluate_tokens(
    dataset: Dataset,
    vqvae_model: Model,
    output: Annotated[Path, path_option("--output", "Directory of metrics.json and report.html.", "DIR")],
    labels: Labels = None,
    compare: Annotated[Path | None, path_option("--compare", "Second dataset, whose shift is measured.", "H5")] = None,
    against: Annotated[
        Path | None, path_option("--against", "Checkpoint of another tokenizer, whose tokens are compared.", "PT")
    ] = None,
    max_rows: Annotated[
        int, typer.Option("--max-rows", help="Maximum number of rows to measure; more rows are sampled.")
    ] = 20_000,
    device: Device = "auto",
    quiet: Quiet = False,
    overwrite: Overwrite = False,
) -> None:
    """Evaluate a tokenizer, and write metrics.json and report.html.

    The validation rows of the training table are measured, or all rows of any other table.

    \f
    spinlock evaluate-tokens --dataset datasets/quickstart.h5 --vqvae-model checkpoints/vqvae/quickstart/best_model.pt
    --output reports/quickstart
    """
    from spinlock.arguments import checked_integer
    from spinlock.cli.dataset_recipes import check_dataset
    from spinlock.io.atomic import check_writable, write_files
    from spinlock.io.hdf5 import open_hdf5

    checked_integer("--max-rows", max_rows, minimum=2)
    datasets = [path for path in (dataset, compare) if path is not None]
    for path in datasets:
        check_dataset(path)
        open_hdf5(path).close()
    inputs = [*datasets, vqvae_model, *([against] if against else [])]
    paths = {name: output / name for name in (METRICS, REPORT)}
    for path in paths.values():
        check_writable(path, overwrite=overwrite, inputs=inputs)

    from spinlock.cli.views.evaluation import print_evaluation, section_progress  # these imports take seconds
    from spinlock.cli.views.notes import log_notes
    from spinlock.evaluation.sections import SECTIONS
    from spinlock.plots.report.page import evaluation_page
    from spinlock.runtime.device import choose_device
    from spinlock.scoring.evaluate import evaluate
    from spinlock.scoring.tables import read_for
    from spinlock.tokenizer import Tokenizer

    chosen = choose_device(device)
    tokenizer = Tokenizer.load(vqvae_model, chosen)
    other = Tokenizer.load(against, chosen) if against else None
    table = read_for(tokenizer, dataset)
    log_notes(table.notes)
    options: dict[str, Any] = {"labels": labels or None, "compare": compare, "against": other, "max_rows": max_rows}
    with section_progress(("targets", "rows", *SECTIONS, "page")) as advance:
        result = evaluate(tokenizer, table, **options, advance=advance)
        advance("page")
        page = evaluation_page(result)
    write_files({paths[METRICS]: result.to_json(), paths[REPORT]: page.encode()}, overwrite=overwrite)
    print_evaluation(result, paths[REPORT])
