"""Options of several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinlock.cli.terminal import set_quiet


def _apply_quiet(value: bool) -> bool:
    set_quiet(value)
    return value


Config = Annotated[Path, typer.Option("--config", help="Configuration file, JSON or YAML.", metavar="FILE")]
Dataset = Annotated[Path, typer.Option("--dataset", help="HDF5 dataset of features.", metavar="H5")]
Model = Annotated[Path, typer.Option("--vqvae-model", help="Checkpoint of a trained tokenizer.", metavar="PT")]
Output = Annotated[Path, typer.Option("--output", help="File to write.", metavar="H5")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
Device = Annotated[str, typer.Option("--device", help="Device: auto, cpu, cuda or cuda:N.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print only results and errors.", callback=_apply_quiet)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a configuration key; the value is read as YAML.", metavar="KEY=VALUE"),
]
