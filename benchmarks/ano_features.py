"""Information of raw and of decoded features, measured with the network of ANO in place of the estimator of the report.

``evaluate-ano`` measures raw and decoded features with kernel ridge regression and one Gaussian distribution of the
errors of each family. The network of ANO has a mixture and can extract more. Here it is trained on the features of the
same operators, with the same split and settings, so that the ratios of the information chain can be computed with the
better one of two estimators. For features, each operator is one code of a single token column, and the decoder maps
this code to its features. Embeddings of codes are not trained. "tokens" is ANO itself with the same number of members.

    poetry run python benchmarks/ano_features.py tokens.h5 --dataset dataset.h5 --vqvae-model best_model.pt \\
        --output results.json
    poetry run python benchmarks/ano_features.py --report benchmarks/results/ano_features_benchmark_4k.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import markdown
import spinlock as sl
from ano_alternative_training import Contender, ContenderPlan, Trained, information_bits, train_contender
from machine import describe_machine
from spinlock.ano.evaluation.information.representations import check_tokenizer, decoded_features, raw_features
from spinlock.ano.network.member import NetworkSpec
from spinlock.ano.training.loop import plan_targets
from spinlock.ano.training.plan import NewMember, Plan, make_plan
from spinlock.config.ano import ANOConfig
from spinlock.io.token_decoder import TokenDecoder
from spinlock.runtime.isolation import isolated

AXES = (64, 256)
"""Numbers of principal axes of the features. The one with the smallest loss on the validation operators is measured."""

TOKENS = "tokens"
"""Name of the input of ANO itself."""

EVALUATION_SEED = 0
"""Seed of the coordinates of options, as in ``evaluate-ano``."""


class FeaturePlan(ContenderPlan):
    """A plan whose members read a vector of features of each operator."""

    @classmethod
    def from_features(cls, plan: Plan, features: NDArray[np.float64]) -> FeaturePlan:
        """Replace tokens by the numbers of the operators, and the decoder by features [N, U]."""
        count = len(features)
        columns = replace(plan.data.rows.columns, category=("features",), level=(0,), codebook_size=(count,))
        rows = replace(
            plan.data.rows,
            columns=columns,
            tokens=np.arange(count)[:, None].astype(np.int64),
        )
        data = replace(plan.data, rows=rows, decoder=TokenDecoder.without_hidden_units(features))
        config = plan.config.model_copy(update={"token_dropout": 0.0})
        spec = NetworkSpec.of((count,), plan.space.num_parameters, 0, config)
        plan = replace(plan, config=config, data=data, spec=spec)
        return cls(plan.config, plan.data, plan.split, plan.space, plan.spec, plan.notes, Contender("features"))

    def new_member(self, number: int) -> NewMember:
        """Return member ``number``, whose embeddings are not trained."""
        new = super().new_member(number)
        for trunk in (new.member.family_trunk, new.member.density_trunk):
            trunk.embedding.requires_grad_(False)
        return new


def measure(plan: Plan, features: NDArray[np.float64]) -> dict[str, Any]:
    """Train the network on features [N, U] with each number of axes, and measure the best one on the test operators."""
    started = time.perf_counter()
    trained = {}
    for axes in AXES:
        config = plan.config.model_copy(update={"embedding_dim": axes})
        own = FeaturePlan.from_features(replace(plan, config=config), features)
        trained[axes] = own, train_contender(own)
    axes = min(AXES, key=lambda each: trained[each][1].validation_loss)
    best_plan, best = trained[axes]
    losses = {str(each): trained[each][1].validation_loss for each in AXES}
    return {"axes": axes, "validation_losses": losses, **_information(best_plan, best, started)}


def measure_tokens(plan: Plan) -> dict[str, Any]:
    """Train ANO, and measure it on the test operators."""
    started = time.perf_counter()
    own = ContenderPlan.of(plan, Contender(TOKENS))
    return {"axes": plan.spec.embedding_dim, **_information(own, train_contender(own), started)}


def _information(plan: ContenderPlan, trained: Trained, started: float) -> dict[str, Any]:
    """Return the information about the test operators, the best epochs and the time since ``started``."""
    with isolated():
        targets = plan_targets(plan, plan.split.test, seed=EVALUATION_SEED)
        bits = information_bits(trained.members, targets, plan)
    return {
        "bits": float(bits.mean()),
        "error": float(bits.std(ddof=1) / np.sqrt(len(bits))),
        "best_epochs": trained.best_epochs,
        "seconds": time.perf_counter() - started,
    }


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure raw and decoded features with every seed of split and training."""
    tokenizer = sl.Tokenizer.load(arguments.vqvae_model)
    content: dict[str, Any] = {"machine": describe_machine(), "tokens": arguments.tokens.stem}
    content |= {"members": arguments.members, "results": []}
    if arguments.output and arguments.output.exists():
        content = json.loads(arguments.output.read_text())
        if content["members"] != arguments.members:
            raise SystemExit(f"{arguments.output} has results of {content['members']} members")
    for seed in arguments.seeds:
        config = ANOConfig(tokens_path=arguments.tokens, split_seed=seed, random_seed=seed, members=arguments.members)
        plan = make_plan(config)
        tokens = plan.data.rows.tokens
        check_tokenizer(tokenizer, plan.data.rows.model_sha256)
        known = {(result["features"], result["seed"]) for result in content["results"]}
        vectors = {
            "raw features": raw_features(tokenizer, arguments.dataset, tokens, arguments.tokens),
            "decoded features": decoded_features(tokenizer, tokens),
            TOKENS: None,
        }
        for name, features in vectors.items():
            if (name, seed) in known:
                continue
            measured = measure_tokens(plan) if features is None else measure(plan, features)
            content["results"].append({"features": name, "seed": seed, **measured})
            print(content["results"][-1], file=sys.stderr, flush=True)
            if arguments.output:
                arguments.output.write_text(json.dumps(content, indent=1) + "\n")
    return content


def report(content: dict[str, Any]) -> str:
    """Return the table between its markers: one row for each kind of features, one column for each seed."""
    seeds = list(dict.fromkeys(result["seed"] for result in content["results"]))
    rows = []
    for name in dict.fromkeys(result["features"] for result in content["results"]):
        found = {each["seed"]: each for each in content["results"] if each["features"] == name}
        cells = [f"{found[seed]['bits']:.2f} ± {found[seed]['error']:.2f}" for seed in seeds]
        rows.append(
            [
                "ANO" if name == TOKENS else f"network on {name}",
                *cells,
                ", ".join(str(found[seed]["axes"]) for seed in seeds),
            ]
        )
    table = markdown.table(["bits per operator", *(f"seed {seed}" for seed in seeds), "principal axes"], rows)
    return f"<!-- begin ano features -->\n\n{table}\n\n<!-- end ano features -->"


def main() -> None:
    """Measure, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokens", type=Path, nargs="?", help="token file with parameters")
    parser.add_argument("--dataset", type=Path, help="dataset of generate")
    parser.add_argument("--vqvae-model", type=Path, help="tokenizer that wrote the tokens")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 1, 2], help="seeds of split and training")
    parser.add_argument("--members", type=int, default=2, help="number of members")
    parser.add_argument("--output", type=Path, help="JSON file to write, and to continue if it exists")
    parser.add_argument("--report", type=Path, help="print the table of this result file, and measure nothing")
    arguments = parser.parse_args()
    if arguments.report:
        print(report(json.loads(arguments.report.read_text())))
        return
    if None in (arguments.tokens, arguments.dataset, arguments.vqvae_model):
        parser.error("a measurement needs the token file, --dataset and --vqvae-model")
    print(report(run(arguments)))


if __name__ == "__main__":
    main()
