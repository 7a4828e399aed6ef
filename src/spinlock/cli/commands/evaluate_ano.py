"""The command ``evaluate-ano``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinlock.cli.closed_loop import Verify
from spinlock.cli.options import Overwrite, Quiet, path_option

if TYPE_CHECKING:
    from spinlock.ano.evaluation.result import ANOEvaluation

METRICS, REPORT = "metrics.json", "report.html"
"""Files that the command writes."""


def evaluate_ano(
    ano_model: Annotated[Path, path_option("--ano-model", "Model of train-ano.", "PT")],
    tokens: Annotated[Path, path_option("--tokens", "Token file with parameters, of the same tokenizer.", "H5")],
    output: Annotated[Path, path_option("--output", "Directory of metrics.json and report.html.", "DIR")],
    dataset: Annotated[
        Path | None, path_option("--dataset", "Dataset that was encoded, for the information of its features.", "H5")
    ] = None,
    vqvae_model: Annotated[
        Path | None, path_option("--vqvae-model", "Tokenizer that wrote the tokens, for decoded features.", "PT")
    ] = None,
    verify: Verify = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of draws, reference points and fits.")] = 0,
    quiet: Quiet = False,
    overwrite: Overwrite = False,
) -> None:
    """Evaluate the prediction of operators, and write metrics.json and report.html.

    Only operators on which the model was not fitted are measured: the test operators of the token file of the
    training, or those operators of another token file that were not part of the training.

    \f
    spinlock evaluate-ano --ano-model checkpoints/ano/quickstart/best_model.pt
    --tokens datasets/quickstart_tokens.h5 --dataset datasets/quickstart.h5
    --vqvae-model checkpoints/vqvae/quickstart/best_model.pt --output reports/ano_quickstart
    """
    from spinlock.arguments import checked_integer
    from spinlock.cli.closed_loop import check_verify
    from spinlock.cli.dataset_recipes import check_dataset
    from spinlock.config.data import MAX_SEED
    from spinlock.errors import DataError
    from spinlock.io.atomic import check_writable, write_files
    from spinlock.io.hdf5 import open_hdf5

    checked_integer("--seed", seed, minimum=0, maximum=MAX_SEED)
    check_verify(verify, dataset, vqvae_model)
    if dataset is not None:
        if vqvae_model is None:
            raise DataError("--dataset has no effect without the tokenizer", remedy="pass --vqvae-model too")
        check_dataset(dataset)
        open_hdf5(dataset).close()
    open_hdf5(tokens).close()
    inputs = [path for path in (ano_model, tokens, dataset, vqvae_model) if path is not None]
    paths = {name: output / name for name in (METRICS, REPORT)}
    for path in paths.values():
        check_writable(path, overwrite=overwrite, inputs=inputs)
    result, page = _evaluated(ano_model, tokens, dataset, vqvae_model, verify, seed)
    write_files({paths[METRICS]: result.to_json(), paths[REPORT]: page.encode()}, overwrite=overwrite)

    from spinlock.cli.views.ano.commands import print_ano_evaluation

    print_ano_evaluation(result, paths[REPORT])


def _evaluated(
    ano_model: Path, tokens: Path, dataset: Path | None, vqvae_model: Path | None, verify: int | None, seed: int
) -> tuple[ANOEvaluation, str]:
    """Return the evaluation and its page."""
    from spinlock.ano.evaluation import evaluate as evaluation  # these imports take seconds
    from spinlock.ano.model import ANO
    from spinlock.cli.closed_loop import prepare_closed_loop, run_closed_loop
    from spinlock.cli.views.evaluation import section_progress
    from spinlock.plots.ano.page import ano_page

    ano = ANO.load(ano_model)
    verification = prepare_closed_loop(ano, tokens, dataset, vqvae_model, count=verify, seed=seed)
    with section_progress(evaluation.STEPS) as advance:
        result = evaluation.evaluate_ano(
            ano, tokens, dataset=dataset, tokenizer=vqvae_model, seed=seed, advance=advance
        )
    if verification is None:
        return result, ano_page(result)
    loop = run_closed_loop(verification)
    result = result.with_closed_loop(asdict(loop), loop.gap, loop.note)
    return result, ano_page(result, loop)
