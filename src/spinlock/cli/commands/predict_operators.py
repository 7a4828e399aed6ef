"""The command ``predict-operators``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinlock.cli.options import Output, Overwrite, Quiet, path_option


def predict_operators(
    ano_model: Annotated[Path, path_option("--ano-model", "Model of train-ano.", "PT")],
    tokens: Annotated[Path, path_option("--tokens", "Token file of the same tokenizer.", "H5")],
    output: Output,
    candidates: Annotated[
        int, typer.Option("--candidates", help="Number of most plausible operators of each row.")
    ] = 5,
    samples: Annotated[int, typer.Option("--samples", help="Number of posterior samples of each row.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the samples.")] = 0,
    quiet: Quiet = False,
    overwrite: Overwrite = False,
) -> None:
    """Predict families and parameters of operators from their tokens.

    \f
    spinlock predict-operators --ano-model checkpoints/ano/quickstart/best_model.pt
    --tokens datasets/quickstart_tokens.h5 --output datasets/quickstart_operators.h5
    """
    from spinlock.arguments import checked_integer
    from spinlock.io.atomic import check_writable
    from spinlock.io.hdf5 import open_hdf5

    for name, value, minimum in (("--candidates", candidates, 1), ("--samples", samples, 0), ("--seed", seed, 0)):
        checked_integer(name, value, minimum=minimum)
    open_hdf5(tokens).close()
    check_writable(output, overwrite=overwrite, inputs=[ano_model, tokens])

    from spinlock.ano.model import ANO  # after the checks: these imports take seconds, with torch
    from spinlock.ano.predict_file import PredictionOptions, predict_file
    from spinlock.cli.views.ano import print_prediction
    from spinlock.cli.views.progress import progress
    from spinlock.io.tokens import TokenFile

    ano = ANO.load(ano_model)
    options = PredictionOptions(candidates=candidates, samples=samples, seed=seed)
    with TokenFile.open(tokens) as file:
        rows = file.num_rows
    with progress("predicting", rows) as advance:
        summary = predict_file(ano, tokens, output, options, overwrite=overwrite, advance=advance)
    print_prediction(summary, output)
