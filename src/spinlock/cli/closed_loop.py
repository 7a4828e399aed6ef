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
    from spinlock.closed_loop.verify import Verification

Verify = Annotated[
    int | None,
    typer.Option(
        "--verify",
        help="Simulate the predictions of N operators on which the model was not fitted, encode them, and compare "
        "their tokens with the original ones; needs --dataset and --vqvae-model.",
        metavar="N",
    ),
]
EncodedDataset = Annotated[Path | None, path_option("--dataset", "Dataset from which the tokens were encoded.", "H5")]
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


def prepare_closed_loop(
    ano: ANO, tokens: Path, dataset: Path | None, vqvae_model: Path | None, *, count: int | None, seed: int
) -> Verification | None:
    """Check the inputs of ``--verify`` before the work; returns None without this option.

    The parameters are those of :meth:`spinlock.closed_loop.verify.Verification.prepare`, after :func:`check_verify`.
    """
    if count is None:
        return None
    from spinlock.cli.terminal import log
    from spinlock.closed_loop.verify import Verification
    from spinlock.tokenizer import Tokenizer

    assert dataset is not None, "check_verify has tested it"
    assert vqvae_model is not None, "check_verify has tested it"
    verification = Verification.prepare(ano, tokens, dataset, Tokenizer.load(vqvae_model), count, seed=seed)
    found = len(verification.originals.rows)
    if found < count:
        log(f"--verify: {found} operators were not used in the training of the model; all of them are compared")
    return verification


def run_closed_loop(verification: Verification) -> ClosedLoop:
    """Simulate predictions and compare them with the original operators, with a progress bar."""
    from spinlock.cli.views.progress import progress

    with progress("simulating", verification.num_simulations, "operators") as advance:
        return verification.run(advance)
