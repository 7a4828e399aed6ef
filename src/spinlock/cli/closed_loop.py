"""The option ``--verify`` of the commands of ANO."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinlock.arguments import checked_integer
from spinlock.cli.options import path_option
from spinlock.errors import DataError

if TYPE_CHECKING:
    from spinlock.ano.model import ANO
    from spinlock.closed_loop.loop import ClosedLoop

Verify = Annotated[
    int | None,
    typer.Option(
        "--verify",
        help="Number of operators whose predictions are rolled out and encoded; needs --dataset and --vqvae-model.",
    ),
]
EncodedDataset = Annotated[Path | None, path_option("--dataset", "Dataset that was encoded.", "H5")]
TokensModel = Annotated[Path | None, path_option("--vqvae-model", "Tokenizer that wrote the tokens.", "PT")]


def check_verify(verify: int | None, dataset: Path | None, vqvae_model: Path | None) -> None:
    """Raise an error if ``--verify`` is not a number of operators, or its dataset or its tokenizer is missing."""
    if verify is None:
        return
    checked_integer("--verify", verify, minimum=1)
    if dataset is None or vqvae_model is None:
        raise DataError("--verify needs --dataset and --vqvae-model", remedy="pass both")
    from spinlock.io.hdf5 import open_hdf5  # imports h5py, which takes a while

    open_hdf5(dataset).close()
    if not vqvae_model.is_file():
        raise DataError("no such model", where=str(vqvae_model), expected="best_model.pt of train-vqvae")


def run_closed_loop(
    ano: ANO | Path, tokens: Path, dataset: Path | None, vqvae_model: Path | None, *, count: int, seed: int
) -> ClosedLoop:
    """Simulate predictions and compare them with the original operators, with a progress bar.

    The parameters are those of :func:`spinlock.closed_loop.verify.verify`, after :func:`check_verify`.
    """
    from spinlock.ano.model import ANO
    from spinlock.cli.views.progress import progress
    from spinlock.closed_loop.loop import num_simulations
    from spinlock.closed_loop.verify import verify
    from spinlock.tokenizer import Tokenizer

    assert dataset is not None, "check_verify has tested it"
    assert vqvae_model is not None, "check_verify has tested it"
    model = ano if isinstance(ano, ANO) else ANO.load(ano)
    tokenizer = Tokenizer.load(vqvae_model)
    with progress("simulating", num_simulations(count), "operators") as advance:
        return verify(model, tokens, dataset, tokenizer, count, seed=seed, advance=advance)
