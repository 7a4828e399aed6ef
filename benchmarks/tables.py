"""Whole runs on real tables: the four target metrics, the best epoch, the stability of tokens, and the durations.

Each run calls ``train-vqvae``, ``encode-to-tokens``, ``decode-tokens``, ``evaluate-tokens`` and ``visualize-codebooks``
in processes of their own, as a user does. The configuration is production.json with another input, output and split
seed. The benchmark runs the commands, and not the functions of ``spinlock``, because it measures what a user of the
commands waits for.

    poetry run python benchmarks/tables.py path/to/a.h5 path/to/b.h5 --split-seeds 42 1 2 --output results.json
    poetry run python benchmarks/tables.py --report benchmarks/results/tables_local.json
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import markdown
import spinlock as sl
from command_line import PRODUCTION, run_spinlock
from machine import describe_machine

METRICS = (
    "reconstruction_quality",
    "rank_quality",
    "codebook_utilization",
    "inter_category_orthogonality",
    "orthogonality_clipped",
    "topographic_correlation",
    "bits_per_sample",
    "quality_by_level",
    "quality_train",
)

COLUMNS = (
    "table (rows)",
    "split seed",
    "quality (epoch 0)",
    "utilization",
    "max centroid cosine",
    "max centroid cosine, clipped at 0.5 %",
    "rank quality",
    "topographic correlation",
    "bits per row",
    "categories",
    "best epoch",
    "unchanged tokens (by level)",
    "training command",
    "report",
    "pictures",
)


def measure(dataset: Path, split_seed: int, directory: Path, settings: list[str]) -> dict[str, Any]:
    """Train, encode and decode one table."""
    run, tokens, decoded = directory / "run", directory / "tokens.h5", directory / "decoded.h5"
    options = [part for setting in (f"split_seed={split_seed}", *settings) for part in ("--set", setting)]
    seconds = run_spinlock("train-vqvae", "--config", PRODUCTION, "--input", dataset, "--output", run, *options)
    best = run / "best_model.pt"
    encode_seconds = run_spinlock("encode-to-tokens", "--dataset", dataset, "--vqvae-model", best, "--output", tokens)
    run_spinlock("decode-tokens", "--tokens", tokens, "--vqvae-model", best, "--output", decoded)
    checkpoint = sl.Tokenizer.load(run / "last.pt").checkpoint
    return {
        "table": dataset.stem,
        "split_seed": split_seed,
        "rows": checkpoint.dataset.num_operators * checkpoint.dataset.rows_per_operator,
        "categories": checkpoint.spec.num_categories,
        "initial_quality": checkpoint.history.columns["val_quality"][0],
        "best_epoch": checkpoint.state.progress.best_epoch,
        "epochs": checkpoint.state.progress.epoch,
        "seconds": seconds,
        "encode_seconds": encode_seconds,
        **{name: checkpoint.metrics[name] for name in METRICS},
        **measure_pages(dataset, best, directory),
    }


def measure_pages(dataset: Path, model: Path, directory: Path) -> dict[str, Any]:
    """Write the report and the pictures of a model; return their durations and the fractions of unchanged tokens."""
    report, pictures = directory / "report", directory / "pictures"
    options = ("--dataset", dataset, "--vqvae-model", model, "--output")
    report_seconds = run_spinlock("evaluate-tokens", *options, report)
    idempotence = json.loads((report / "metrics.json").read_text())["stability"]["idempotence"]
    return {
        "report_seconds": report_seconds,
        "pictures_seconds": run_spinlock("visualize-codebooks", *options, pictures),
        "idempotence": idempotence["all"],
        "idempotence_by_level": idempotence["by_level"],
    }


def row(result: dict[str, Any]) -> list[str]:
    """Return the cells of one table and split; a dash for a value that the result file does not have."""
    unchanged = "-"
    if "idempotence" in result:
        levels = ", ".join(f"{fraction:.2f}" for fraction in result["idempotence_by_level"])
        unchanged = f"{result['idempotence']:.3f} ({levels})"
    return [
        f"{result['table']} ({result['rows']})",
        f"{result['split_seed']}",
        f"{result['reconstruction_quality']:.3f} ({result['initial_quality']:.3f})",
        f"{result['codebook_utilization']:.3f}",
        f"{result['inter_category_orthogonality']:.3f}",
        *(_number(result.get(name)) for name in ("orthogonality_clipped", "rank_quality")),
        f"{result['topographic_correlation']:.3f}",
        f"{result['bits_per_sample']:.0f}",
        f"{result['categories']}",
        f"{result['best_epoch']} of {result['epochs']}",
        unchanged,
        *(_seconds(result.get(name)) for name in ("seconds", "report_seconds", "pictures_seconds")),
    ]


def _number(value: float | None) -> str:
    """Return a metric, or a dash for a result file of an earlier version, which does not have it."""
    return "-" if value is None else f"{value:.3f}"


def _seconds(value: float | None) -> str:
    """Return a duration, or a dash for a result file of an earlier version, which has no such duration."""
    return "-" if value is None else f"{value:.0f} s"


def report(content: dict[str, Any]) -> str:
    """Return a table with one row for each dataset and split."""
    return f"{content['machine']}\n\n{markdown.table(COLUMNS, map(row, content['results']))}"


def main() -> None:
    """Measure every table with every split seed, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, nargs="*", help="HDF5 datasets of features")
    parser.add_argument("--split-seeds", type=int, nargs="+", default=[42])
    parser.add_argument("--set", dest="settings", action="append", default=[], help="further KEY=VALUE settings")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--report", type=Path, help="print the table of this result file, and measure nothing")
    arguments = parser.parse_args()
    if arguments.report:
        print(report(json.loads(arguments.report.read_text())))
        return
    content: dict[str, Any] = {"machine": describe_machine(), "results": []}
    for dataset in arguments.tables:
        for seed in arguments.split_seeds:
            with tempfile.TemporaryDirectory() as directory:
                content["results"].append(measure(dataset, seed, Path(directory), arguments.settings))
            print(*row(content["results"][-1]), sep=" | ", file=sys.stderr, flush=True)
            if arguments.output:
                arguments.output.write_text(json.dumps(content, indent=1) + "\n")
    print(report(content))


if __name__ == "__main__":
    main()
