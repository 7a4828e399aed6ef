"""The command ``visualize-codebooks``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinlock.cli.options import Dataset, Device, Model, Overwrite, Quiet, path_option

if TYPE_CHECKING:
    from spinlock.evaluation.codebooks.description import CodebookDescription

Labels = Annotated[
    list[str] | None,
    typer.Option("--labels", help="Label or parameter that colors maps; may be repeated. By default the first twelve."),
]

PAGE, POINTS, PICTURES = "codebooks.html", "points.parquet", "pictures"
"""Files that the command writes, and the folder of pictures."""


def visualize_codebooks(
    dataset: Dataset,
    vqvae_model: Model,
    output: Annotated[
        Path, path_option("--output", "Directory of codebooks.html, points.parquet and pictures.", "DIR")
    ],
    labels: Labels = None,
    max_rows: Annotated[
        int, typer.Option("--max-rows", help="Maximum number of rows to describe; more rows are sampled.")
    ] = 20_000,
    max_map_rows: Annotated[
        int, typer.Option("--max-map-rows", help="Maximum number of these rows on the maps of rows.")
    ] = 5_000,
    device: Device = "auto",
    quiet: Quiet = False,
    overwrite: Overwrite = False,
) -> None:
    """Draw what the codes of a tokenizer stand for, as one page and as PNG and SVG files.

    All rows of the dataset are used, or random samples of them.

    \f
    spinlock visualize-codebooks --dataset datasets/quickstart.h5 --vqvae-model
    checkpoints/vqvae/quickstart/best_model.pt --output reports/codebooks
    """
    from spinlock.arguments import checked_integer
    from spinlock.cli.dataset_recipes import check_dataset
    from spinlock.io.atomic import check_writable, write_files
    from spinlock.io.hdf5 import open_hdf5

    checked_integer("--max-rows", max_rows, minimum=2)
    checked_integer("--max-map-rows", max_map_rows, minimum=2)
    check_dataset(dataset)
    open_hdf5(dataset).close()
    earlier = sorted((output / PICTURES).glob("*.*"))
    for path in (output / PAGE, output / POINTS, *earlier):
        check_writable(path, overwrite=overwrite, inputs=[dataset, vqvae_model])

    from spinlock.cli.views.codebooks import log_earlier_files, print_description  # these imports take seconds
    from spinlock.cli.views.evaluation import section_progress
    from spinlock.cli.views.notes import log_notes
    from spinlock.evaluation.codebooks.description import STEPS
    from spinlock.runtime.device import choose_device
    from spinlock.scoring.describe import describe_codebooks
    from spinlock.scoring.tables import read_for
    from spinlock.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(vqvae_model, choose_device(device))
    table = read_for(tokenizer, dataset)
    log_notes(table.notes)
    with section_progress((*STEPS, "pictures")) as advance:
        result = describe_codebooks(
            tokenizer, table, labels=labels or None, max_rows=max_rows, max_map_rows=max_map_rows, advance=advance
        )
        advance("pictures")
        files = _files(result)
    write_files({output / name: content for name, content in files.items()}, overwrite=overwrite)
    log_earlier_files([path for path in earlier if f"{PICTURES}/{path.name}" not in files])
    print_description(result, output / PAGE, output / POINTS if POINTS in files else None)


def _files(result: CodebookDescription) -> dict[str, bytes]:
    """Return the page, its pictures, and the Parquet file of the rows of the maps, unless pyarrow is not installed."""
    from spinlock.evaluation.codebooks.map_points import map_points
    from spinlock.io.parquet import has_pyarrow, to_parquet
    from spinlock.plots.codebooks.page import codebook_page
    from spinlock.plots.files import picture_files

    page = codebook_page(result)
    pictures = {f"{PICTURES}/{name}": content for name, content in picture_files(page.pictures).items()}
    points = {POINTS: to_parquet(map_points(result))} if has_pyarrow() else {}
    return {**pictures, PAGE: page.html.encode(), **points}
