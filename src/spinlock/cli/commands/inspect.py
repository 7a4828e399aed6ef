"""The command ``inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinlock.cli.options import path_option, path_parser


def inspect(
    path: Annotated[
        Path,
        typer.Argument(
            help="Dataset, token file or file of predictions (HDF5), or checkpoint.",
            metavar="PATH",
            parser=path_parser("PATH"),
        ),
    ],
    row: Annotated[
        int | None,
        typer.Option(
            "--row", help="Show one row: its features, its tokens and the nearest rows, or the predicted operators."
        ),
    ] = None,
    vqvae_model: Annotated[
        Path | None,
        path_option(
            "--vqvae-model",
            "Checkpoint that encoded a token file. With --row it adds the feature values that the tokens stand for, "
            "and measures the distances in token space.",
            "PT",
        ),
    ] = None,
    family: Annotated[str, typer.Option("--family", help="Feature family of a dataset.")] = "sdf",
    feature_type: Annotated[
        str | None, typer.Option("--feature-type", help="aggregated, per_trajectory or per_timestep.")
    ] = None,
    targets: Annotated[bool, typer.Option("--targets", help="Show only the four targets of a checkpoint.")] = False,
) -> None:
    """Show the content of a dataset, a token file, a file of predictions, a checkpoint or an ANO model.

    It prints shapes, names, unusable columns, categories, metrics and the origin of the file. Of any other HDF5 file it
    lists groups, datasets, links and attributes.

    \f
    spinlock inspect datasets/quickstart_tokens.h5 --row 17 --vqvae-model checkpoints/vqvae/quickstart/best_model.pt
    """
    import h5py

    from spinlock.errors import DataError

    if not path.exists():
        raise DataError("no such file", where=str(path))
    if vqvae_model is not None and row is None:
        raise DataError("--vqvae-model has no effect", expected="also --row", remedy="add --row, or omit --vqvae-model")
    if path.is_file() and not h5py.is_hdf5(path):
        if row is not None:
            raise DataError("a checkpoint has no rows", where=str(path), remedy="omit --row")
        _print_model(path, targets=targets)
        return
    if targets:
        raise DataError("has no targets", where=str(path), expected="a checkpoint", remedy="omit --targets")
    _print_hdf5(path, row, vqvae_model, family, feature_type)


def _print_model(path: Path, *, targets: bool) -> None:
    """Print a checkpoint of a tokenizer or an ANO model."""
    from spinlock.ano.checkpoint.record import is_ano_model
    from spinlock.cli.views.ano.inspection import print_ano_model
    from spinlock.cli.views.checkpoint import print_checkpoint, print_checkpoint_targets
    from spinlock.errors import DataError

    if not is_ano_model(path):
        (print_checkpoint_targets if targets else print_checkpoint)(path)
    elif targets:
        remedy = "measure them with evaluate-ano, or omit --targets"
        raise DataError("has no targets", where=str(path), expected="a checkpoint of train-vqvae", remedy=remedy)
    else:
        print_ano_model(path)


def _print_hdf5(path: Path, row: int | None, model: Path | None, family: str, feature_type: str | None) -> None:
    """Print a token file, a dataset or the content of another HDF5 file, or one row of the former two."""
    from spinlock.errors import DataError
    from spinlock.io.hdf5 import reading
    from spinlock.io.inputs.file import InputFile
    from spinlock.io.predictions.writing import FORMAT as PREDICTIONS

    with InputFile.open(path) as file, reading(path):
        names = file.names()
        has_tokens = "tokens" in names and "format" in file.attributes  # other programs also name datasets "tokens"
        has_features = "features" in names
        has_predictions = file.attributes.get("format") == PREDICTIONS
    if model is not None and not has_tokens:
        remedy = "encode it with encode-to-tokens and inspect the token file, or omit --vqvae-model"
        raise DataError("is not a token file, so that a model does not apply", where=str(path), remedy=remedy)
    if has_tokens:
        from spinlock.cli.views.tokens import print_tokens

        print_tokens(path, row, model)
    elif has_features:
        from spinlock.cli.views.dataset import print_dataset

        print_dataset(path, family, feature_type, row)
    elif has_predictions:
        from spinlock.cli.views.ano.inspection import print_predictions

        print_predictions(path, row)
    else:
        from spinlock.cli.views.content import print_content

        print_content(path, row)
