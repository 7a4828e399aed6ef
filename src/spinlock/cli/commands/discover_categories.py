"""The command ``discover-categories``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinlock.cli.options import Config, Overwrite, Quiet, Set, path_option


def discover_categories(
    config: Config,
    output: Annotated[Path, path_option("--output", "Mapping file to write.", "JSON")],
    input_path: Annotated[Path | None, path_option("--input", "HDF5 dataset of features.", "H5")] = None,
    stability: Annotated[
        int, typer.Option("--stability", help="Number of bootstrap samples on which discovery is repeated.")
    ] = 0,
    set_values: Set = None,
    quiet: Quiet = False,
    overwrite: Overwrite = False,
) -> None:
    """Group the features of a dataset into categories, and write a mapping file.

    The mapping file can be used as category_mapping_file.
    The scores of all candidate partitions are comments in it.

    \f
    spinlock discover-categories --config configs/vqvae/production.json --input datasets/quickstart.h5 --output
    categories.json --stability 20
    """
    from spinlock.cli.dataset_recipes import check_dataset
    from spinlock.cli.terminal import spinner
    from spinlock.config import load_config
    from spinlock.errors import DataError
    from spinlock.io.atomic import check_writable

    settings = load_config(config, overrides={"input_path": input_path}, set_values=set_values or [])
    if stability < 0:
        raise DataError(f"--stability is {stability}", expected="0 or more")
    mapping = settings.category_mapping_file
    inputs = [config, settings.input_path, *([mapping] if mapping else [])]
    check_writable(output, overwrite=overwrite, inputs=inputs)
    check_dataset(settings.input_path)

    from spinlock.cli.views.categories import print_categories
    from spinlock.cli.views.notes import log_notes
    from spinlock.discovery import discover_categories as discover

    with spinner("discovering categories"):
        categories = discover(config=settings, stability=stability)
    log_notes(categories.notes)
    categories.save(output, overwrite=overwrite)
    print_categories(categories, output)
