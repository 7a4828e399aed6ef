"""Held-out quality and seconds of an epoch with each trick toward speed taken away: no trick may cost quality.

For each seed 15 % of the operators are cut off first; categories and sizes are those that the program chooses for local
tokens at ``--bits``. "program" is the program as it is, every other line the program without one of its tricks, trained
from the same start for 40 epochs.

    poetry run python benchmarks/tricks.py measure path/to/features.h5 --output results.json
    poetry run python benchmarks/tricks.py report results.json [more.json ...]

Seeds that the results hold already are not measured again.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from ablations import cut_off
from levers import parsed, plan_at, quality
from machine import machine
from quality import spread
from spinlock.io.feature_table import FeatureTable, read_features
from spinlock.metrics.redundancy import latent_redundancy
from spinlock.model import ForwardResult, ModelSpec
from spinlock.model.network.quantizer import LevelResult, QuantizerLevel
from spinlock.runtime.process_group import ProcessGroup
from spinlock.training.fit import start, train
from spinlock.training.plan import Plan

EPOCHS = 40
PROGRAM = "program"

LEVEL = QuantizerLevel.forward

Trick = tuple[AbstractContextManager[Any], dict[str, Any]]
"""What to put in place while a variant is trained, and what to change of its specification."""


def without(spec: ModelSpec) -> dict[str, Trick]:
    """The program, and the program without each of its tricks."""
    nothing: dict[str, Any] = {}
    return {
        PROGRAM: (nullcontext(), nothing),
        "all categories padded to the widest": (nullcontext(), {"bucket_sizes": (spec.num_categories,)}),
        "codes projected up for every row, not once": (patch.object(QuantizerLevel, "forward", by_rows), nothing),
        "topographic pairs among all rows of a batch, not in blocks": (
            patch("spinlock.training.losses.topographic.TOPO_BLOCK", 1 << 20),
            nothing,
        ),
        "redundancy of whole embeddings, not of projections": (
            patch("spinlock.training.losses.objective.orthogonality_loss", whole_redundancy),
            nothing,
        ),
        "category decoders on all rows, not on a quarter": (
            patch("spinlock.training.steps.CATEGORY_DECODER_FRACTION", 1.0),
            nothing,
        ),
        "a beam of eight prefixes, not four": (nullcontext(), {"beam_width": 8}),
        "no beam: the best code level by level": (nullcontext(), {"beam_width": 1}),
    }


def by_rows(level: QuantizerLevel, residual: Tensor) -> LevelResult:
    """The level with q U computed for each row."""
    result = LEVEL(level, residual)
    codes = torch.bmm(result.one_hot, level.codes.detach() * level.latent_mask)
    return replace(result, contribution=torch.bmm(codes, level.project_out))


def whole_redundancy(result: ForwardResult, projection: Tensor, global_batch: int, group: ProcessGroup) -> Tensor:
    """The loss without projecting."""
    return latent_redundancy(result.embeddings)


def measure(table: FeatureTable, path: Path, bits: int, seed: int) -> dict[str, dict[str, float]]:
    """Quality of the rows cut off and median seconds of an epoch, of every variant."""
    seen, held_out = cut_off(table, seed)
    plan = plan_at(seen, path, bits, seed, "local")
    test = torch.from_numpy(plan.data.cleaner.transform(held_out.rows).values)
    found = {}
    for name, (instead, changed) in without(plan.spec).items():
        with instead:
            found[name] = trained(replace(plan, spec=replace(plan.spec, **changed)), test)
        print(seed, name, found[name], flush=True)
    return found


def trained(plan: Plan, test: Tensor) -> dict[str, float]:
    """What a variant reaches after its epochs, with its last weights and not the best."""
    config = plan.config.model_copy(update={"epochs": EPOCHS, "val_every_n_epochs": EPOCHS})
    run = start(replace(plan, config=config))
    train(run)
    seconds = run.state.history.columns["seconds"][1:]
    return {"quality": quality(run.state.model.eval(), test), "seconds": median(s for s in seconds if s is not None)}


def markdown(results: list[dict[str, Any]]) -> str:
    """Mean quality over seeds ± half the range, its change, and the time of an epoch over that of the program."""
    lines = []
    for r in results:
        seeds = list(r["found"].values())
        title = f"{r['table']}, {r['bits']} bits, {EPOCHS} epochs, seeds {', '.join(r['found'])} ({r['machine']})"
        lines += [f"{title}:\n", "| | held-out quality | against the program | time of an epoch |", "|---|---|---|---|"]
        for name in seeds[0]:
            own, whole = [s[name] for s in seeds], [s[PROGRAM] for s in seeds]
            change = mean(a["quality"] - b["quality"] for a, b in zip(own, whole, strict=True))
            slower = median(a["seconds"] / b["seconds"] for a, b in zip(own, whole, strict=True))
            lines.append(f"| {name} | {spread([s['quality'] for s in own], 4)} | {change:+.4f} | {slower:.2f} x |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Measure one table, or report what was measured."""
    arguments = parsed(__doc__)
    if arguments.command == "report":
        print(markdown([json.loads(path.read_text()) for path in arguments.results]))
        return
    output = arguments.output
    head = {"table": arguments.table.stem, "bits": arguments.bits, "machine": machine(), "found": {}}
    result = json.loads(output.read_text()) if output.exists() else head
    table = read_features(arguments.table)
    for seed in arguments.seeds:
        if str(seed) not in result["found"]:
            result["found"][str(seed)] = measure(table, arguments.table, arguments.bits, seed)
            output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
