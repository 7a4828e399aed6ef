"""The command ``predict-operators``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinlock.cli.closed_loop import EncodedDataset, TokensModel, Verify
from spinlock.cli.options import Output, Overwrite, Quiet, path_option


def predict_operators(
    ano_model: Annotated[Path, path_option("--ano-model", "Model of train-ano.", "PT")],
    tokens: Annotated[Path, path_option("--tokens", "Token file of the same tokenizer.", "H5")],
    output: Output,
    candidates: Annotated[
        int, typer.Option("--candidates", help="Number of most plausible operators of each row.")
    ] = 5,
    samples: Annotated[int, typer.Option("--samples", help="Number of posterior samples of each row.")] = 0,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the samples and of the closed loop.")] = 0,
    verify: Verify = None,
    dataset: EncodedDataset = None,
    vqvae_model: TokensModel = None,
    quiet: Quiet = False,
    overwrite: Overwrite = False,
) -> None:
    """Predict families and parameters of operators from their tokens.

    \f
    spinlock predict-operators --ano-model checkpoints/ano/quickstart/best_model.pt
    --tokens datasets/quickstart_tokens.h5 --output datasets/quickstart_operators.h5
    """
    from spinlock.arguments import checked_integer
    from spinlock.cli.closed_loop import check_verify, prepare_closed_loop, run_closed_loop
    from spinlock.config.data import MAX_SEED
    from spinlock.errors import DataError
    from spinlock.io.atomic import check_writable, write_files
    from spinlock.io.hdf5 import open_hdf5
    from spinlock.io.predictions.datasets import MAX_CANDIDATES

    checked_integer("--candidates", candidates, minimum=1, maximum=MAX_CANDIDATES)
    checked_integer("--samples", samples, minimum=0)
    checked_integer("--seed", seed, minimum=0, maximum=MAX_SEED)
    open_hdf5(tokens).close()
    check_verify(verify, dataset, vqvae_model)
    loop_inputs = [path for path in (dataset, vqvae_model) if path is not None]
    if verify is None and loop_inputs:
        raise DataError("--dataset and --vqvae-model are only for --verify", remedy="pass --verify N, or omit them")
    inputs = [ano_model, tokens, *loop_inputs]
    loop_output = output.with_suffix(".closed_loop.json")
    for path in (output, loop_output)[: 1 if verify is None else 2]:
        check_writable(path, overwrite=overwrite, inputs=inputs)

    from spinlock.ano.model import ANO  # after the checks: these imports take seconds, with torch
    from spinlock.cli.views.ano.commands import print_closed_loop, print_prediction
    from spinlock.cli.views.progress import progress
    from spinlock.io.tokens import TokenFile

    ano = ANO.load(ano_model)
    verification = prepare_closed_loop(ano, tokens, dataset, vqvae_model, count=verify, seed=seed)
    with TokenFile.open(tokens) as file:
        rows = file.num_rows
    with progress("predicting", rows) as advance:
        options = {"candidates": candidates, "samples": samples, "seed": seed}
        summary = ano.predict_file(tokens, output, **options, overwrite=overwrite, advance=advance)
    print_prediction(summary, output)
    if verification is not None:
        loop = run_closed_loop(verification)
        write_files({loop_output: loop.to_json()})
        print_closed_loop(loop, loop_output)
