"""What each part of the tokenizer gives at the same bits, on rows that nothing was fitted or chosen on.

For each seed 15 % of the operators are cut off first. Categories and sizes are those that the program chooses for local
tokens at ``--bits``, the same for all variants but the last two. Names say what a variant has beyond the closed form
that it starts from; only those that say so are trained.

    poetry run python benchmarks/levers.py measure path/to/features.h5 --output results.json
    poetry run python benchmarks/levers.py report results.json [more.json ...]

Seeds that the results hold already are not measured again.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ablations import cut_off
from quality import spread
from spinlock.config import config_from_mapping
from spinlock.initialization.closed_form import RIDGE_GRID
from spinlock.initialization.joint_codes import fit_joint_codes
from spinlock.initialization.neighbor_interpolation import interpolate_neighbors
from spinlock.initialization.network import initialize_closed_form
from spinlock.io.feature_table import FeatureTable, read_features
from spinlock.model import CategoricalVQVAE, JointVQVAE, ModelSpec, build_network
from spinlock.model.codec import make_codec
from spinlock.sizing.assignment import JointAssignment
from spinlock.training.fit import start, train
from spinlock.training.plan import Plan, make_plan

LOCAL_EPOCHS, JOINT_EPOCHS = 40, 200


def measure(table: FeatureTable, path: Path, bits: int, seed: int) -> Iterator[tuple[str, float]]:
    """Name and test quality of every variant."""
    seen, held_out = cut_off(table, seed)
    plan = plan_at(seen, path, bits, seed, "local")
    rows, spec, ridge = plan.fit_rows().rows, plan.spec, plan.selection.ridge
    between = interpolate_neighbors(rows, seed).flatten(0, 1)
    test = torch.from_numpy(plan.data.cleaner.transform(held_out.rows).values)

    def closed(spec: ModelSpec, points: Tensor, ridge: float, rounds: int | None = None) -> float:
        model = build_network(spec, seed=seed)
        initialize_closed_form(model, points, ridge=ridge, rows_per_batch=len(rows), seed=seed)
        if rounds is not None and isinstance(model, JointVQVAE):
            fit_joint_codes(model, points, rounds)
        return quality(model.eval(), test)

    def trained(plan: Plan, epochs: int) -> float:
        run = start(replace(plan, config=plan.config.model_copy(update={"epochs": epochs})))
        train(run)
        return quality(run.best_model(), test)

    joint = replace(spec, assignment="joint")
    yield "local: level by level, ridge 0.003", closed(replace(spec, beam_width=1), rows, RIDGE_GRID[0])
    yield "local: level by level, ridge by hold-out", closed(replace(spec, beam_width=1), rows, ridge)
    yield f"local: beam of {spec.beam_width}, the same ridge", closed(spec, rows, ridge)
    yield "local: beam, interpolated rows", closed(spec, between, ridge)
    yield f"local: the same, trained for {LOCAL_EPOCHS} epochs", trained(plan, LOCAL_EPOCHS)
    yield f"joint: assignment alone, codes of the beam of {spec.beam_width}", closed(joint, rows, ridge, 0)
    yield "joint: four rounds of refits", closed(joint, rows, ridge, 4)
    yield "joint: refits, interpolated rows", closed(joint, between, ridge, 4)
    yield "joint: the same, level by level", closed(replace(joint, beam_width=1), between, ridge, 4)
    wide = JointAssignment.decoder_width * joint.hidden_dim
    joint_config = plan.config.model_copy(update={"assignment": "joint"})
    joint_plan = replace(plan, spec=replace(joint, decoder_dim=wide), config=joint_config)
    yield (
        f"joint: refits, interpolated rows, refinement trained for {JOINT_EPOCHS} epochs",
        trained(joint_plan, JOINT_EPOCHS),
    )
    equal = replace(joint, num_codes=equal_sizes(spec.bits_per_row, spec.num_categories))
    yield (
        "joint: refits, interpolated rows, equal sizes in place of water-filled ones",
        closed(equal, between, ridge, 4),
    )
    yield (
        "joint: categories and sizes by joint trials, trained",
        trained(plan_at(seen, path, bits, seed, "joint"), JOINT_EPOCHS),
    )


def equal_sizes(bits: float, categories: int) -> tuple[tuple[int, int, int], ...]:
    """K codes in every codebook, K + 1 in those of the first categories: the most that costs at most ``bits``."""
    size = int(2 ** (bits / (3 * categories)) + 1e-9)
    larger = int((bits / 3 - categories * math.log2(size)) / math.log2((size + 1) / size) + 1e-9)
    return tuple((size + (c < larger),) * 3 for c in range(categories))


def plan_at(seen: FeatureTable, path: Path, bits: int, seed: int, assignment: str) -> Plan:
    """What the program chooses at a number of bits."""
    settings = {"split_seed": seed, "random_seed": seed, "max_bits": bits, "target_quality": 1.0}
    settings |= {"input_path": str(path), "assignment": assignment}
    return make_plan(seen, config_from_mapping(settings, where="benchmark"))


def quality(model: CategoricalVQVAE, rows: Tensor) -> float:
    """1 - sum (x - x^)^2 / sum x^2 of the exported tokens."""
    codec = make_codec(model)
    restored = codec.decode(codec.encode(rows).indices)
    return float(1 - (rows - restored).square().sum() / rows.square().sum())


def markdown(results: list[dict[str, Any]]) -> str:
    """Mean over seeds ± half the range, a column for each table."""
    heads = [f"{r['table']}, {r['bits']} bits, seeds {', '.join(r['quality'])}" for r in results]
    lines = [f"| | {' | '.join(heads)} |", "|---|" + "---|" * len(results)]
    for name in next(iter(results[0]["quality"].values())):
        cells = (spread([seed[name] for seed in r["quality"].values()], 4) for r in results)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def parsed(description: str | None) -> argparse.Namespace:
    """The arguments of a benchmark that measures one table, seed by seed, or reports what was measured."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="measure one table")
    measuring.add_argument("table", type=Path, help="HDF5 dataset of features")
    measuring.add_argument("--bits", type=int, default=120)
    measuring.add_argument("--seeds", type=int, nargs="+", default=(0, 1, 2))
    measuring.add_argument("--output", type=Path, required=True, help="JSON file to write")
    reporting = commands.add_parser("report", help="print results as a table")
    reporting.add_argument("results", type=Path, nargs="+")
    return parser.parse_args()


def main() -> None:
    """Measure one table, or report what was measured."""
    arguments = parsed(__doc__)
    if arguments.command == "report":
        print(markdown([json.loads(path.read_text()) for path in arguments.results]))
        return
    table = read_features(arguments.table)
    result: dict[str, Any] = {"table": arguments.table.stem, "bits": arguments.bits, "quality": {}}
    if arguments.output.exists():
        result = json.loads(arguments.output.read_text())
    for seed in arguments.seeds:
        started = time.perf_counter()
        qualities = result["quality"].setdefault(str(seed), {})
        for name, value in measure(table, arguments.table, arguments.bits, seed) if not qualities else ():
            qualities[name] = value
            print(
                f"seed {seed} {name}: {value:.4f} ({time.perf_counter() - started:.0f} s)", file=sys.stderr, flush=True
            )
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
