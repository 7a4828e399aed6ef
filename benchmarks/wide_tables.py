"""Time, processor time and peak memory of `train-vqvae` on tables with many more columns than rows.

The tables are like those of gene expression. Each column is one of 40 latent factors with a sign, and noise. A fifth of
the columns are log-normal, and a twentieth are near-duplicates of another column. ``measure`` runs `--dry-run`, and the
Python interface up to epoch 0, each in a process of its own. ``quality`` compares categories from bundles of columns
with those from single columns: the quality of epoch 0 on test rows at 200 bits.

    poetry run python benchmarks/wide_tables.py measure 100x5000 300x5000 1000x20000 --output results.json
    poetry run python benchmarks/wide_tables.py quality 400x1800 --seeds 0 1 2 --output quality.json
    poetry run python benchmarks/wide_tables.py report benchmarks/results/wide_tables.json
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

import markdown
import spinlock as sl
from command_line import PRODUCTION, environment_with_bytecode
from held_out import rate_settings, split_test_operators, token_quality
from machine import describe_machine
from spinlock.config import config_from_mapping, load_config  # the interface does not stop at epoch 0
from spinlock.metrics import correlation
from spinlock.training.fit import start
from spinlock.training.plan import make_plan

FACTORS, BITS = 40, 200


def wide_table(rows: int, columns: int, seed: int = 0) -> NDArray[np.float32]:
    """Return a table [rows, columns] of latent factors, noise, heavy tails and near-duplicates."""
    rng = np.random.default_rng(seed)
    latent = rng.standard_normal((rows, FACTORS))
    latent[:, ::4] = rng.standard_t(3, size=latent[:, ::4].shape)
    loading = rng.uniform(0.5, 1, columns) * rng.choice([-1, 1], columns)
    table = latent[:, rng.integers(FACTORS, size=columns)] * loading
    table += rng.uniform(0.2, 0.9, columns) * rng.standard_normal((rows, columns))
    heavy, copied = rng.random(columns) < 0.2, rng.random(columns) < 0.05
    table[:, heavy] = np.exp(table[:, heavy])
    table[:, copied] = table[:, rng.integers(columns, size=copied.sum())]
    table[:, copied] += 0.01 * rng.standard_normal((rows, copied.sum()))
    return table.astype(np.float32)


def measure(rows: int, columns: int) -> dict[str, Any]:
    """Return the seconds and the peak memory of a dry run, and of a run up to epoch 0, on a generated table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.h5"
        with h5py.File(path, "w") as file:
            file["features/sdf/aggregated/features"] = wide_table(rows, columns)
        arguments = ["--config", str(PRODUCTION), "--input", str(path), "--output", str(Path(folder) / "run")]
        return {
            "rows": rows,
            "columns": columns,
            "load_average": os.getloadavg()[0],
            "dry_run": measure_process("-m", "spinlock", "train-vqvae", *arguments, "--dry-run"),
            "epoch_0": measure_process(__file__, "start", str(path)),
        }


def measure_process(*arguments: str) -> dict[str, float]:
    """Return the seconds, the processor seconds and the peak memory in GB of a Python process."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, env=environment_with_bytecode())
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)} failed")
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "memory_gb": usage.ru_maxrss * 1024 / 1e9}


def start_run(path: Path) -> None:
    """Select categories and sizes of a table, and initialize the network: the program up to epoch 0."""
    config = load_config(PRODUCTION, overrides={"input_path": str(path)})
    start(make_plan(sl.read_features(path), config))


def compare_quality(rows: int, columns: int, seed: int) -> dict[str, Any]:
    """Return the quality of epoch 0 on test rows at equal bits, for categories from bundles and from columns."""
    table, test = split_test_operators(sl.read_features(wide_table(rows, columns, seed)), seed)
    settings = rate_settings(BITS, seed, "local") | {"use_torch_compile": False}
    config = config_from_mapping(settings, where="benchmark")
    result: dict[str, Any] = {"rows": rows, "columns": columns, "seed": seed}
    limit = correlation.MAX_MATRIX_COLUMNS
    for name, matrix_columns in (("from_bundles", limit), ("from_columns", sys.maxsize)):
        correlation.MAX_MATRIX_COLUMNS = matrix_columns
        plan = make_plan(table, config)
        correlation.MAX_MATRIX_COLUMNS = limit
        cleaned = plan.data.cleaner.transform(test.rows[np.arange(len(test.rows))]).values
        result[name] = {
            "quality": token_quality(start(plan).state.model.eval(), torch.from_numpy(cleaned)),
            "categories": plan.spec.num_categories,
            "cosine": plan.selection.chosen.cosine,
            "bits": plan.spec.bits_per_row,
        }
    return result


def report(content: dict[str, Any]) -> str:
    """Return a table of times and memory, and one of qualities."""
    tables = [content["machine"]]
    if content.get("measured"):
        columns = (
            "rows x columns",
            "`--dry-run`: s (processor s)",
            "GB",
            "up to epoch 0: s (processor s)",
            "GB",
            "load",
        )
        cells = [
            [
                f"{r['rows']:,} x {r['columns']:,}",
                *(
                    text
                    for part in (r["dry_run"], r["epoch_0"])
                    for text in (f"{part['seconds']:.0f} ({part['cpu']:.0f})", f"{part['memory_gb']:.2f}")
                ),
                f"{r['load_average']:.1f}",
            ]
            for r in content["measured"]
        ]
        tables.append(markdown.table(columns, cells))
    if content.get("qualities"):
        cells = [
            [
                f"{r['rows']:,} x {r['columns']:,}",
                str(r["seed"]),
                *(f"{r[kind]['quality']:.4f} ({r[kind]['categories']})" for kind in ("from_bundles", "from_columns")),
            ]
            for r in content["qualities"]
        ]
        tables.append(markdown.table(("rows x columns", "seed", "bundles (categories)", "columns (categories)"), cells))
    return "\n\n".join(tables)


def main() -> None:
    """Measure tables, compare qualities, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("measure", "quality", "report", "start"))
    parser.add_argument("subjects", nargs="+", help="ROWSxCOLUMNS, or a result file to report")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--output", type=Path, help="JSON file to write; results of the other action in it are kept")
    arguments = parser.parse_args()
    if arguments.action == "report":
        print(report(json.loads(Path(arguments.subjects[0]).read_text())))
        return
    if arguments.action == "start":
        start_run(Path(arguments.subjects[0]))
        return
    output = arguments.output
    content: dict[str, Any] = json.loads(output.read_text()) if output and output.exists() else {}
    content["machine"] = describe_machine()
    sizes = [tuple(map(int, subject.split("x"))) for subject in arguments.subjects]
    if arguments.action == "measure":
        content["measured"] = [measure(*size) for size in sizes]
    else:
        content["qualities"] = [compare_quality(*size, seed) for size in sizes for seed in arguments.seeds]
    if output:
        output.write_text(json.dumps(content, indent=1) + "\n")
    print(report(content))


if __name__ == "__main__":
    main()
