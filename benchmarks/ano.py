"""Quality and durations of ANO: targets, information, baselines and closed loop, for several seeds.

For each seed the benchmark calls ``train-ano``, ``predict-operators`` and ``evaluate-ano --verify`` in processes of
their own, as a user does. The seed is that of the split and of the training, and the configuration is the default one.
The benchmark runs the commands, and not the functions of ``spinlock``, because it measures what a user of the commands
waits for.

``--new-tokens`` also measures each model on operators of a dataset that neither the tokenizer nor ANO has seen. For the
committed results it was generated with ``spinlock generate --config configs/datasets/benchmark_4k.yaml --num-samples
1024 --set random_seed=7`` and encoded with the same tokenizer.

    poetry run python benchmarks/ano.py path/to/data.h5 --tokenizer best_model.pt --tokens tokens.h5 --output r.json
    poetry run python benchmarks/ano.py --report benchmarks/results/ano_benchmark_4k.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import ano_report
import spinlock as sl
from command_line import run_spinlock
from machine import describe_machine

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "ano" / "default.yaml"
"""The default configuration of ``train-ano``."""


def measure(arguments: argparse.Namespace, seed: int, directory: Path) -> dict[str, Any]:
    """Train a model with one seed, predict, and evaluate; return the kept numbers and the durations in seconds."""
    run, predicted, report = directory / "run", directory / "operators.h5", directory / "report"
    settings = (f"split_seed={seed}", f"random_seed={seed}", *arguments.settings)
    options = [part for setting in settings for part in ("--set", setting)]
    tokens = ("--tokens", arguments.tokens)
    train = run_spinlock("train-ano", "--config", CONFIG, *tokens, "--output", run, *options)
    model = ("--ano-model", run / "best_model.pt", *tokens)
    predict = run_spinlock("predict-operators", *model, "--output", predicted)
    sources = ("--dataset", arguments.dataset, "--vqvae-model", arguments.tokenizer)
    loop = ("--verify", str(arguments.verify), "--output", report)
    evaluate = run_spinlock("evaluate-ano", *model, *sources, *loop)
    metrics = json.loads((report / "metrics.json").read_text())
    new: dict[str, Any] = {}
    if arguments.new_tokens:
        model = ("--ano-model", run / "best_model.pt", "--tokens", arguments.new_tokens)
        run_spinlock("evaluate-ano", *model, "--output", directory / "new")
        new = {"new_operators": new_numbers(json.loads((directory / "new" / "metrics.json").read_text()))}
    return {
        "seed": seed,
        **new,
        "seconds": {"train-ano": train, "predict-operators": predict, "evaluate-ano": evaluate},
        **kept_numbers(metrics),
    }


def kept_numbers(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of ``metrics.json`` that the result file contains; numbers of single families are left out."""
    information, loop = metrics["information"], metrics["closed_loop"]
    stages = [without(stage, "bits_by_family") for stage in information["stages"]]
    agreement = {
        kind: {name: without(row, "by_category") for name, row in rows.items()}
        for kind, rows in loop["agreement"].items()
    }
    return {
        "operators": metrics["setup"]["num_operators"],
        "unseen_operators": metrics["setup"]["num_unseen"],
        "targets": metrics["targets"],
        "accuracy": metrics["families"]["accuracy"],
        "accuracy_error": metrics["families"]["accuracy_error"],
        "mean_r2": metrics["parameters"]["mean_r2"],
        "mean_r2_of_mean": statistics.mean(each["r2_of_mean"] for each in metrics["parameters"]["parameters"]),
        "information": {**information, "stages": stages},
        "prior_accuracy": metrics["baselines"]["prior_accuracy"],
        "baselines": [without(method, "r2") for method in metrics["baselines"]["methods"]],
        "closed_loop": {"operators": loop["operators"], "agreement": agreement},
    }


def new_numbers(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of ``metrics.json`` that the result file contains for the operators of another dataset."""
    return {
        "operators": metrics["setup"]["num_operators"],
        "unseen_operators": metrics["setup"]["num_unseen"],
        "targets": metrics["targets"],
        "mean_r2": metrics["parameters"]["mean_r2"],
    }


def without(values: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the values without one key."""
    return {name: value for name, value in values.items() if name != key}


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure every seed; seeds that the output file already contains are not measured again."""
    checkpoint = sl.Tokenizer.load(arguments.tokenizer).checkpoint
    content: dict[str, Any] = {
        "machine": describe_machine(),
        "dataset": arguments.dataset.stem,
        "rows": checkpoint.dataset.num_operators * checkpoint.dataset.rows_per_operator,
        "bits_per_row": checkpoint.metrics["bits_per_sample"],
        "verify": arguments.verify,
        "settings": arguments.settings,
        "results": [],
    }
    if arguments.output and arguments.output.exists():
        earlier = json.loads(arguments.output.read_text())
        if {**earlier, "results": []} != content:
            raise SystemExit(f"{arguments.output} was measured with other files, settings or versions")
        content = earlier
    done = {result["seed"] for result in content["results"]}
    for seed in (each for each in arguments.seeds if each not in done):
        with tempfile.TemporaryDirectory() as directory:
            content["results"].append(measure(arguments, seed, Path(directory)))
        print(f"seed {seed} is measured", file=sys.stderr, flush=True)
        if arguments.output:
            arguments.output.write_text(json.dumps(content, indent=1) + "\n")
    return content


def main() -> None:
    """Measure every seed, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, nargs="?", help="dataset of generate")
    parser.add_argument("--tokenizer", type=Path, help="tokenizer that wrote the tokens")
    parser.add_argument("--tokens", type=Path, help="token file of the dataset")
    parser.add_argument(
        "--new-tokens", type=Path, help="tokens of another dataset, on which each model is also measured"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 1, 2], help="seeds of split and training")
    parser.add_argument("--verify", type=int, default=64, help="number of operators of the closed loop")
    parser.add_argument("--set", dest="settings", action="append", default=[], help="further KEY=VALUE settings")
    parser.add_argument("--output", type=Path, help="JSON file to write, and to continue if it exists")
    parser.add_argument("--report", type=Path, help="print the tables of this result file, and measure nothing")
    arguments = parser.parse_args()
    if arguments.report:
        print(ano_report.report(json.loads(arguments.report.read_text())))
        return
    if not (arguments.dataset and arguments.tokenizer and arguments.tokens):
        parser.error("a measurement needs DATASET, --tokenizer and --tokens")
    print(ano_report.report(run(arguments)))


if __name__ == "__main__":
    main()
