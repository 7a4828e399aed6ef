"""Options of several commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from spinlock.cli.terminal import set_quiet
from spinlock.paths import user_path


def _apply_quiet(value: bool) -> bool:
    set_quiet(value)
    return value


def _check_max_time(minutes: float | None) -> float | None:
    """Return the time limit, or raise an error if it is not finite and positive."""
    from spinlock.errors import ConfigError

    if minutes is not None and not 0 < minutes < float("inf"):
        raise ConfigError(
            [f"--max-time is {minutes}, expected a finite number of minutes above 0"], where="command line"
        )
    return minutes


def path_parser(where: str) -> Callable[[str], Path]:
    """Return the parser of an option or argument that is a path.

    typer itself would check that the file can be read, and print its usage if not. The commands check it, and print one
    line.
    """

    def path(text: str) -> Path:
        return user_path(text, where)

    return path


def path_option(name: str, help: str, metavar: str) -> Any:
    """Declare an option that is a path."""
    return typer.Option(name, help=help, metavar=metavar, parser=path_parser(name))


Config = Annotated[Path, path_option("--config", "Configuration file, JSON or YAML.", "FILE")]
Dataset = Annotated[Path, path_option("--dataset", "HDF5 dataset of features.", "H5")]
Model = Annotated[Path, path_option("--vqvae-model", "Checkpoint of a trained tokenizer.", "PT")]
Output = Annotated[Path, path_option("--output", "File to write.", "H5")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")]
Device = Annotated[str, typer.Option("--device", help="Device: auto, cpu, cuda or cuda:N.")]
Shard = Annotated[
    str | None,
    typer.Option(
        "--shard",
        help="Make part i of n alone, for example 3/7; join puts the parts together. In a job array of SLURM or PBS "
        "the default is the part of this task; 1/1 makes the whole file.",
        metavar="I/N",
    ),
]
MaxTime = Annotated[
    float | None,
    typer.Option(
        "--max-time",
        help="Save the run and stop when this number of minutes has passed.",
        metavar="MINUTES",
        callback=_check_max_time,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print only results and errors.", callback=_apply_quiet)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a configuration key; the value is read as YAML.", metavar="KEY=VALUE"),
]
