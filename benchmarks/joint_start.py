"""Quality of joint codes that start from the closed form, and from the trained network of local tokens.

Both have the categories and codebook sizes of local tokens at ``--bits``, the same rows and interpolated points, and no
trained refinement. A round assigns all tokens of a row jointly and refits all vectors.

    poetry run python benchmarks/joint_start.py measure path/to/features.h5 [more.h5 ...] --output results.json
    poetry run python benchmarks/joint_start.py report results.json

Combinations of table and seed that the output file already holds are not measured again.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import markdown
from held_out import rate_settings, token_quality
from machine import describe_device
from quality import EPOCHS, make_case
from spinlock.config import config_from_mapping
from spinlock.initialization.joint_codes import fit_joint_codes
from spinlock.initialization.neighbor_interpolation import interpolate_neighbors
from spinlock.model import CategoricalVQVAE
from spinlock.training.fit import start, train

ROUNDS = (4, 16)
"""Numbers of rounds; the program has 4."""

COLUMNS = ("table", "bits", "seed", "rounds", "start: closed form", "start: trained network")


def joint_qualities(model: CategoricalVQVAE, points: Tensor, test: Tensor) -> dict[str, float]:
    """Return the quality of the test rows [t, D] after each number of rounds on rows and points [n, D]."""
    qualities = {}
    for rounds in ROUNDS:
        joint = model.with_joint_codes()
        fit_joint_codes(joint, points, rounds)
        qualities[str(rounds)] = token_quality(joint, test)
    return qualities


def measure(path: Path, bits: int, seed: int, epochs: int) -> dict[str, Any]:
    """Measure one table with one seed."""
    case = make_case(path, bits, seed)
    settings = rate_settings(bits, seed, "local") | {"epochs": epochs}
    plan = replace(case.plan, config=config_from_mapping(settings, where="benchmark"))
    test = torch.from_numpy(case.test)
    points = interpolate_neighbors(plan.data.train, plan.config.random_seed).flatten(0, 1)
    run = start(plan)
    closed = joint_qualities(run.state.model, points, test)
    train(run)
    trained = joint_qualities(run.best_model(), points, test)
    return {"table": path.stem, "bits": bits, "seed": seed, "epochs": epochs, "closed": closed, "trained": trained}


def report(content: dict[str, Any]) -> str:
    """Return the table of the results."""
    rows = [
        [
            result["table"],
            str(result["bits"]),
            str(result["seed"]),
            rounds,
            *(f"{result[name][rounds]:.4f}" for name in ("closed", "trained")),
        ]
        for result in content["results"]
        for rounds in result["closed"]
    ]
    return f"{content['machine']}\n\n{markdown.table(COLUMNS, rows)}"


def main() -> None:
    """Measure tables, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="train local tokens and fit joint codes")
    measuring.add_argument("tables", type=Path, nargs="+", help="HDF5 datasets of features")
    measuring.add_argument("--bits", type=int, default=120)
    measuring.add_argument("--seeds", type=int, nargs="+", default=[0])
    measuring.add_argument("--epochs", type=int, default=EPOCHS["local"], help="epochs of local tokens")
    measuring.add_argument("--output", type=Path, required=True, help="JSON file to write or to continue")
    reporting = commands.add_parser("report", help="print the table of a result file")
    reporting.add_argument("results", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "report":
        print(report(json.loads(arguments.results.read_text())))
        return
    output: Path = arguments.output
    content: dict[str, Any] = json.loads(output.read_text()) if output.exists() else {"results": []}
    content["machine"] = describe_device(torch.device("cpu"))
    done = {(result["table"], result["seed"], result["bits"]) for result in content["results"]}
    for path in arguments.tables:
        for seed in arguments.seeds:
            if (path.stem, seed, arguments.bits) not in done:
                content["results"].append(measure(path, arguments.bits, seed, arguments.epochs))
                output.write_text(json.dumps(content, indent=1) + "\n")
                print(content["results"][-1], file=sys.stderr)
    print(report(content))


if __name__ == "__main__":
    main()
