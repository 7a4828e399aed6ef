"""The command ``evaluate-tokens``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinlock.cli.options import Dataset, Device, Model, Overwrite, Quiet, path_option

METRICS, REPORT = "metrics.json", "report.html"
"""Files that the command writes."""


def evaluate_tokens(
    dataset: Dataset,
    vqvae_model: Model,
    output: Annotated[Path, path_option("--output", "Directory of metrics.json and report.html.", "DIR")],
    max_rows: Annotated[
        int, typer.Option("--max-rows", help="Maximum number of rows to measure; more rows are sampled.")
    ] = 20_000,
    device: Device = "auto",
    quiet: Quiet = False,
    overwrite: Overwrite = False,
) -> None:
    """Evaluate a tokenizer, and write its metrics and a report.

    The validation rows of the table on which the model was trained are measured, or all rows of any other table.

    \f
    spinlock evaluate-tokens --dataset datasets/quickstart.h5 --vqvae-model runs/quickstart/best_model.pt --output
    reports/quickstart
    """
    from spinlock.cli.dataset_recipes import check_dataset
    from spinlock.errors import DataError
    from spinlock.io.atomic import check_writable, write_files
    from spinlock.io.hdf5 import open_hdf5

    if max_rows < 2:
        raise DataError(f"--max-rows is {max_rows}", expected="at least 2")
    check_dataset(dataset)
    open_hdf5(dataset).close()
    paths = {name: output / name for name in (METRICS, REPORT)}
    for path in paths.values():
        check_writable(path, overwrite=overwrite, inputs=[dataset, vqvae_model])

    from spinlock.cli.views.evaluation import print_evaluation, section_progress  # these imports take seconds
    from spinlock.cli.views.notes import log_notes
    from spinlock.plots.report.page import evaluation_page
    from spinlock.runtime.device import choose_device
    from spinlock.scoring import evaluate, read_for
    from spinlock.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(vqvae_model, choose_device(device))
    table = read_for(tokenizer, dataset)
    log_notes(table.notes)
    with section_progress() as advance:
        result = evaluate(tokenizer, table, max_rows=max_rows, advance=advance)
        advance("page")
        page = evaluation_page(result)
    write_files({paths[METRICS]: result.to_json(), paths[REPORT]: page.encode()}, overwrite=overwrite)
    print_evaluation(result, paths[REPORT])
