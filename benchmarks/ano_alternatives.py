"""Alternatives to the network of ANO: a normalizing flow, a transformer, and a network without the regression.

Each contender has the same token file, split, rows, optimizer, schedule, early stopping on the validation operators and
number of members as the shipped network. It replaces one part or several:

- **flow**: a masked autoregressive flow (zuko) of the errors of each family in place of the mixture;
- **transformer**: an encoder over the sequence of tokens in place of the sum of their embeddings;
- without **regression**: no regression predicts the location, so that the network predicts z and not its error.

The metric is the information of ``evaluate-ano``: the mean over the test operators of log2 p(z) - log2 p0(z), given
the true family. Neural operators lack one or two of seven parameters, depending on their policy. A mixture integrates
these out. A flow is given the mask of the present parameters, and the integral over the absent ones is a mean of 64
draws. Its bits are therefore of the present parameters only, as those of a mixture. The mask contains a part of the
policy, which the mixture does not know.

Learning rate (0.0005, 0.001) and dropout (0.1, 0.3) of flow and transformer are those with the smallest loss on the
validation operators of the first seed, with one member and the regression. Nothing is chosen on test operators.
The shipped network and both networks for the family have the default configuration. With ``--default-settings`` this
holds for all.

The parts for the parameters and for the family share no weights. Only one of them is trained and timed at a time.

    poetry run python benchmarks/ano_alternatives.py tokens.h5 --output results.json
    poetry run python benchmarks/ano_alternatives.py --report benchmarks/results/ano_alternatives_benchmark_4k.json
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import markdown
from ano_alternative_training import (
    CONTENDERS,
    Contender,
    ContenderPlan,
    family_accuracy,
    information_bits,
    train_contender,
)
from machine import describe_machine
from spinlock.ano.training.loop import plan_targets
from spinlock.ano.training.plan import make_plan
from spinlock.config.ano import ANOConfig
from spinlock.runtime.isolation import isolated

LEARNING_RATES, DROPOUTS = (0.0005, 0.001), (0.1, 0.3)
"""Values that are compared on the validation operators."""

SELECTED = {"flow": CONTENDERS[1], "transformer": CONTENDERS[2]}
"""Contender on which the settings of a new part are chosen."""

NAMES = tuple(contender.name for contender in CONTENDERS)
"""Names of the contenders."""

EVALUATION_SEED = 0
"""Seed of the coordinates of options, as in ``evaluate-ano``."""

Content = dict[str, Any]


def plan_of(contender: Contender, config: ANOConfig) -> ContenderPlan:
    """Return the plan of a contender with a configuration."""
    return ContenderPlan.of(make_plan(config), contender)


def new_part(contender: Contender) -> str | None:
    """Return the part of a contender whose settings are chosen: ``flow``, ``transformer`` or None."""
    if contender.part == "family":
        return None
    return "flow" if contender.density == "flow" else "transformer" if contender.trunk == "transformer" else None


def select_settings(part: str, config: ANOConfig) -> list[Content]:
    """Train one member of a contender with each learning rate and dropout; the best one is the first."""
    trials = []
    for rate, dropout in product(LEARNING_RATES, DROPOUTS):
        settings = {"learning_rate": rate, "dropout": dropout}
        plan = plan_of(SELECTED[part], config.model_copy(update={**settings, "members": 1}))
        trials.append({**settings, "validation_loss": train_contender(plan).validation_loss})
        print(part, trials[-1], file=sys.stderr, flush=True)
    return sorted(trials, key=lambda trial: trial["validation_loss"])


def measure(contender: Contender, config: ANOConfig) -> Content:
    """Train a contender and measure it on the test operators."""
    plan = plan_of(contender, config)
    trained = train_contender(plan)
    targets = plan_targets(plan, plan.split.test, seed=EVALUATION_SEED)
    result: Content = {"contender": contender.name, "seed": config.split_seed, "part": contender.part}
    result |= {
        "best_epochs": trained.best_epochs,
        "validation_loss": trained.validation_loss,
        "seconds": trained.seconds,
    }
    result |= {"learning_rate": config.learning_rate, "dropout": config.dropout}
    with isolated():
        if contender.part == "family":
            return result | {"accuracy": family_accuracy(trained.members, targets)}
        bits = information_bits(trained.members, targets, plan)
    by_family = {
        name: float(bits[targets.family.numpy() == index].mean()) for index, name in enumerate(plan.space.families)
    }
    error = float(bits.std(ddof=1) / np.sqrt(len(bits)))
    return result | {"bits": float(bits.mean()), "error": error, "bits_by_family": by_family}


def run(arguments: argparse.Namespace) -> Content:
    """Measure the contenders with every seed; what the output file already contains is not measured again."""
    sizes = {"members": arguments.members, "epochs": arguments.epochs}
    content: Content = {"machine": describe_machine(), "tokens": arguments.tokens.stem, **sizes}
    content |= {"selection": {}, "results": []}
    if arguments.output and arguments.output.exists():
        content = json.loads(arguments.output.read_text())
        if {key: content[key] for key in sizes} != sizes:
            raise SystemExit(f"{arguments.output} was measured with another number of members or epochs than {sizes}")
    done = {(each["contender"], each["seed"]) for each in content["results"]}
    wanted = [each for each in CONTENDERS if not arguments.contenders or each.name in arguments.contenders]
    for seed, contender in product(arguments.seeds, wanted):
        if (contender.name, seed) in done:
            continue
        first, own = (
            ANOConfig(tokens_path=arguments.tokens, split_seed=each, random_seed=each, **sizes)
            for each in (arguments.seeds[0], seed)
        )
        update: dict[str, Any] = {}
        if (part := new_part(contender)) and not arguments.default_settings:
            if part not in content["selection"]:
                content["selection"][part] = select_settings(part, first)
                write(content, arguments.output)
            update = {key: content["selection"][part][0][key] for key in ("learning_rate", "dropout")}
        content["results"].append(measure(contender, own.model_copy(update=update)))
        write(content, arguments.output)
        print(report(content), file=sys.stderr, flush=True)
    return content


def write(content: Content, path: Path | None) -> None:
    """Write the result file, so that a run that is stopped loses nothing."""
    if path:
        path.write_text(json.dumps(content, indent=1) + "\n")


def table(content: Content, part: str) -> str:
    """Return one row for each contender of a part; mean ± half range over the seeds, and mean seconds of training."""
    seeds = list(dict.fromkeys(result["seed"] for result in content["results"]))
    key = {"density": "bits", "family": "accuracy"}[part]
    rows = []
    for contender in CONTENDERS:
        found = {each["seed"]: each for each in content["results"] if each["contender"] == contender.name}
        if contender.part != part or not found:
            continue
        cells = [_cell(found[seed], key) if seed in found else "-" for seed in seeds]
        epochs = sorted({epoch for each in found.values() for epoch in each["best_epochs"]})
        mean = markdown.mean_and_half_range([each[key] for each in found.values()], 2 if key == "bits" else 3)
        seconds = f"{np.mean([each['seconds'] for each in found.values()]):.0f} s"
        settings = ", ".join(sorted({f"{each['learning_rate']:g} / {each['dropout']:g}" for each in found.values()}))
        rows.append([contender.name, settings, *cells, mean, f"{epochs[0]} to {epochs[-1]}", seconds])
    heads = (f"{key}, seed {seed}" for seed in seeds)
    columns = ("contender", "learning rate / dropout", *heads, "mean", "best epochs", "training")
    return markdown.table(columns, rows)


def _cell(result: Content, key: str) -> str:
    """Return bits with their standard error, or an accuracy."""
    return f"{result['bits']:.2f} ± {result['error']:.2f}" if key == "bits" else f"{result[key]:.3f}"


def report(content: Content) -> str:
    """Return the machine, the number of members and the tables between their markers."""
    blocks = [content["machine"], f"{content['members']} members"]
    for name, part in (("ano alternatives", "density"), ("ano alternatives of the family", "family")):
        blocks += [f"<!-- begin {name} -->", table(content, part), f"<!-- end {name} -->"]
    return "\n\n".join(blocks)


def main() -> None:
    """Measure, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokens", type=Path, nargs="?", help="token file with parameters")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 1, 2], help="seeds of split and training")
    parser.add_argument("--contenders", nargs="+", metavar="NAME", choices=NAMES, help=f"default: all of {NAMES}")
    parser.add_argument("--members", type=int, default=2, help="number of members of every contender")
    parser.add_argument("--epochs", type=int, default=60, help="maximum number of epochs of each member")
    parser.add_argument("--default-settings", action="store_true", help="choose no settings of flow and transformer")
    parser.add_argument("--output", type=Path, help="JSON file to write, and to continue if it exists")
    parser.add_argument("--report", type=Path, help="print the table of this result file, and measure nothing")
    arguments = parser.parse_args()
    if arguments.report:
        print(report(json.loads(arguments.report.read_text())))
        return
    if arguments.tokens is None:
        parser.error("a measurement needs the token file")
    print(report(run(arguments)))


if __name__ == "__main__":
    main()
