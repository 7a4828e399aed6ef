"""Quality and seconds per epoch without each simplification that makes training faster.

For each seed, 15 % of the operators are test rows. Categories and codebook sizes are those that Spinlock selects for
local tokens at ``--bits``. The row "baseline" is Spinlock with all simplifications. Every other variant lacks one of
them, and is trained from the same initialization for 40 epochs.

    poetry run python benchmarks/tricks.py measure path/to/features.h5 --output results.json
    poetry run python benchmarks/tricks.py report results.json [more.json ...]

Seeds that the result file already holds are not measured again.
"""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

import markdown
import spinlock as sl
from held_out import rate_settings, split_test_operators, token_quality
from levers import parse_arguments
from machine import describe_machine
from markdown import mean_and_half_range
from spinlock.config import config_from_mapping
from spinlock.model import ForwardResult, ModelSpec
from spinlock.model.network.quantizer import LevelResult, QuantizerLevel
from spinlock.runtime.process_group import ProcessGroup
from spinlock.training.fit import start, train
from spinlock.training.plan import Plan, make_plan

EPOCHS = 40
BASELINE = "baseline"

Variant = tuple[AbstractContextManager[Any], dict[str, Any]]
"""A context that is active during training, and changes of the network specification."""

forward_with_projected_codes = QuantizerLevel.forward


def make_variants(spec: ModelSpec) -> dict[str, Variant]:
    """Return the baseline, and a variant without each of the simplifications."""
    unchanged: dict[str, Any] = {}
    losses = "spinlock.training.losses"
    return {
        BASELINE: (nullcontext(), unchanged),
        "all categories padded to the widest category": (nullcontext(), {"bucket_sizes": (spec.num_categories,)}),
        "codes projected for every row instead of once": (
            patch.object(QuantizerLevel, "forward", forward_with_projected_rows),
            unchanged,
        ),
        "topographic loss on all pairs of a batch instead of pairs within blocks": (
            patch(f"{losses}.topographic.TOPO_BLOCK", 1 << 20),
            unchanged,
        ),
        "redundancy loss on whole embeddings instead of projections": (
            patch(f"{losses}.objective.orthogonality_loss", redundancy_of_embeddings),
            unchanged,
        ),
        "category decoders on all rows instead of a quarter": (
            patch("spinlock.training.steps.CATEGORY_DECODER_FRACTION", 1.0),
            unchanged,
        ),
        "beam width 8 instead of 4": (nullcontext(), {"beam_width": 8}),
        "greedy search instead of beam search": (nullcontext(), {"beam_width": 1}),
    }


def forward_with_projected_rows(level: QuantizerLevel, residual: Tensor) -> LevelResult:
    """Quantize residuals as the level does, but compute q U for each row."""
    result = forward_with_projected_codes(level, residual)
    codes = torch.bmm(result.one_hot, level.codes.detach() * level.latent_mask)
    return replace(result, contribution=torch.bmm(codes, level.project_out))


def redundancy_of_embeddings(
    result: ForwardResult, projection: Tensor, global_batch: int, group: ProcessGroup
) -> Tensor:
    """Return the redundancy loss without the random projection."""
    return sl.metrics.latent_redundancy(result.embeddings)


def measure(table: sl.FeatureTable, bits: int, seed: int, epochs: int) -> dict[str, dict[str, float]]:
    """Return the test quality and the median seconds of an epoch of every variant."""
    seen, test_table = split_test_operators(table, seed)
    # The variants change parts of the training step of one plan, which the Python interface does not expose.
    plan = make_plan(seen, config_from_mapping(rate_settings(bits, seed, "local"), where="benchmark"))
    test = torch.from_numpy(plan.data.cleaner.transform(test_table.rows).values)
    results = {}
    for name, (context, changes) in make_variants(plan.spec).items():
        with context:
            results[name] = train_variant(replace(plan, spec=replace(plan.spec, **changes)), test, epochs)
        quality, seconds = results[name]["quality"], results[name]["seconds"]
        print(f"seed {seed}, {name}: {quality:.4f}, {seconds:.3f} s per epoch", file=sys.stderr, flush=True)
    return results


def train_variant(plan: Plan, test: Tensor, epochs: int) -> dict[str, float]:
    """Train a variant; its quality is that of the last epoch, not of the best one."""
    config = plan.config.model_copy(update={"epochs": epochs, "val_every_n_epochs": epochs})
    run = start(replace(plan, config=config))
    train(run)
    seconds = [value for value in run.state.history.columns["seconds"][1:] if value is not None]
    return {"quality": token_quality(run.state.model.eval(), test), "seconds": median(seconds)}


def report(results: list[dict[str, Any]]) -> str:
    """Return a table for each result file.

    Its columns are the mean quality over seeds ± half the range, the mean difference to the baseline, and the median
    ratio of the seconds of an epoch.
    """
    return "\n\n".join(_table(result) for result in results)


def _table(result: dict[str, Any]) -> str:
    seeds = list(result["seeds"].values())
    rows = []
    for name in seeds[0]:
        pairs = [(seed[name], seed[BASELINE]) for seed in seeds]
        quality = mean_and_half_range([variant["quality"] for variant, _ in pairs], 4)
        difference = mean(variant["quality"] - baseline["quality"] for variant, baseline in pairs)
        ratio = median(variant["seconds"] / baseline["seconds"] for variant, baseline in pairs)
        rows.append((name, quality, f"{difference:+.4f}", f"{ratio:.2f} x"))
    columns = ("variant", "held-out quality", "difference to the baseline", "time of an epoch")
    run = f"{result['bits']} bits, {result['epochs']} epochs, seeds {', '.join(result['seeds'])}"
    return f"{result['table']}, {run} ({result['machine']}):\n\n{markdown.table(columns, rows)}"


def main() -> None:
    """Measure one table, or print earlier results."""
    arguments = parse_arguments(__doc__)
    if arguments.command == "report":
        print(report([json.loads(path.read_text()) for path in arguments.results]))
        return
    output: Path = arguments.output
    epochs = arguments.epochs or EPOCHS
    result: dict[str, Any] = {
        "table": arguments.table.stem,
        "bits": arguments.bits,
        "epochs": epochs,
        "machine": describe_machine(),
        "seeds": {},
    }
    if output.exists():
        result = json.loads(output.read_text())
    table = sl.read_features(arguments.table)
    for seed in arguments.seeds:
        if str(seed) not in result["seeds"]:
            result["seeds"][str(seed)] = measure(table, arguments.bits, seed, epochs)
            output.write_text(json.dumps(result, indent=1) + "\n")
    print(report([result]))


if __name__ == "__main__":
    main()
