"""Seconds of a training step of Spinlock and of a loop over categories, measured in one process.

The rows are Gaussian with rank 14 and noise, and have 360 columns in 10 categories. There are three levels of 48 codes,
embeddings of at most 126, and batches of 1,024 rows. The contenders take turns on the same rows:

- program: a step of ``train-vqvae`` with all losses, moving averages and dead-code resets;
- compiled: the same step with ``torch.compile`` (with ``--compile``, where a compiler is installed);
- loop: the same architecture with one ``nn.Sequential`` encoder and one ``vector_quantize_pytorch.ResidualVQ`` for each
  category, embeddings of 126, one decoder, and reconstruction, commitment and topographic losses;
- narrow loop: the loop with embeddings of width 36, which is the width that Spinlock selects;
- loop with pdist: the loop with a topographic loss from ``torch.pdist`` over 1,024 rows.

The report has the median step over rounds after warm-up, the seconds of an epoch, the steps per second, the seconds of
compilation, and the fraction of the rate of a large matrix product that the counted operations of a step reach. It also
has the peak memory of each contender except the compiled one, in a process of its own that includes Python and torch
(on a GPU the memory that torch allocated), and the operations that take most of the time.

    poetry install --with peers
    poetry run python benchmarks/speed.py --device cpu --compile --output results.json
    poetry run python benchmarks/speed.py --report benchmarks/results/speed.json
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

import markdown
from machine import describe_device, matmul_peak, seconds
from speed_contenders import BATCH, COLUMNS, CONTENDERS, Step, make_rows, make_spec
from spinlock.training.compilation import step_operations
from spinlock.training.optimization.schedule import BatchPlan

EPOCHS = 410
"""Epochs of the production configuration, for which the report extrapolates the time."""

LEADING_OPERATIONS = 6
"""Number of operations that the report lists."""

MEMORY_STEPS = 3
"""Steps of a process that measures memory or compilation."""


def measure(count: int, device: torch.device, rounds: int, steps: int, names: Sequence[str]) -> dict[str, Any]:
    """Measure the contenders by turns on a table with ``count`` rows."""
    rows = make_rows(count, device)
    torch.compiler.reset()  # the batches of another table have another size
    contenders = {name: CONTENDERS[name](rows) for name in names}
    plan = BatchPlan.of(count, BATCH)
    order = plan.order(0, 1).to(device)

    def run(step: Step, first: int, number: int) -> float:
        batches = [order[(first + i) % plan.steps] for i in range(number)]
        return seconds(lambda: [step(batch) for batch in batches], device)

    warm_up = {name: run(step, 0, 3) for name, step in contenders.items()}
    durations: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, step in contenders.items():
            durations[name].append(run(step, number * steps, steps) / steps)
    peak = matmul_peak(device)
    median = {name: statistics.median(values) for name, values in durations.items()}
    return {
        "rows": count,
        "batch": plan.batch,
        "steps_per_epoch": plan.steps,
        "step_seconds": median,
        "ratio": {
            name: statistics.median(a / b for a, b in zip(values, durations["program"], strict=True))
            for name, values in durations.items()
        },
        "warm_up_seconds": warm_up,
        "matmul_peak": peak,
        "fraction_of_peak": step_operations(make_spec(), plan.batch) / median["program"] / peak,
        "time_by_operation": time_by_operation(contenders["program"], order, device),
        "peak_memory": {name: peak_memory(name, count, device) for name in names if name != "compiled"},
    }


def time_by_operation(step: Step, order: Tensor, device: torch.device) -> dict[str, float]:
    """Return the fractions of time of the operations that take most of the time of ten steps."""
    activity = ProfilerActivity.CUDA if device.type == "cuda" else ProfilerActivity.CPU
    with profile(activities=[activity]) as profiler:
        for number in range(10):
            step(order[number % len(order)])
    times = {
        event.key: event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
        for event in profiler.key_averages()
    }
    total = sum(times.values())
    leading = sorted(times, key=lambda key: -times[key])[:LEADING_OPERATIONS]
    return {key.removeprefix("aten::"): times[key] / total for key in leading}


def compile_seconds(device: torch.device) -> float:
    """Return the seconds of compilation with an empty cache, including the first three steps."""
    with tempfile.TemporaryDirectory() as cache:
        return float(_run_alone("compiled", device, {"TORCHINDUCTOR_CACHE_DIR": cache}))


def peak_memory(name: str, count: int, device: torch.device) -> int:
    """Return the peak memory in bytes of three steps of one contender in a process of its own."""
    return int(_run_alone(name, device, {}, "--rows", str(count)))


def _run_alone(name: str, device: torch.device, environment: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, __file__, "--device", str(device), "--alone", name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment).stdout


def measure_alone(name: str, count: int, device: torch.device) -> float:
    """Run three steps; return their seconds for the compiled contender, and the peak memory in bytes for others."""
    rows = make_rows(count, device)
    step, order = CONTENDERS[name](rows), BatchPlan.of(count, BATCH).order(0, 1).to(device)
    duration = seconds(lambda: [step(order[number % len(order)]) for number in range(MEMORY_STEPS)], device)
    if name == "compiled":
        return duration
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status").read_text()  # getrusage would include the memory of the parent process
    peak = re.search(r"VmHWM:\s+(\d+)", status)
    assert peak is not None, "Linux reports the peak memory of a process"
    return 1024 * int(peak[1])


def report(result: dict[str, Any]) -> str:
    """Return a table with one row for each size, the operations that take most of the time, and a few totals."""
    tables = result["tables"]
    others = [name for name in CONTENDERS if name in tables[0]["step_seconds"] and name != "program"]
    columns = ["rows x columns", "program: s per epoch (steps/s)", *others, "fraction of matmul peak", "peak memory"]
    lines = [result["machine"], "", markdown.table(columns, [_row(table, others) for table in tables])]
    lines += ["", f"Peak memory: {', '.join(tables[0]['peak_memory'])}.", "", "Operations with the most time:", ""]
    for table in tables:
        fractions = ", ".join(f"{name} {value:.0%}" for name, value in table["time_by_operation"].items())
        lines.append(f"- {table['rows']:,} rows: {fractions}")
    first = tables[0]
    totals = {name: EPOCHS * first["steps_per_epoch"] * value for name, value in first["step_seconds"].items()}
    durations = ", ".join(f"{name} {total:.0f} s" for name, total in totals.items())
    lines += ["", f"{EPOCHS} epochs of {first['rows']:,} rows with these steps: {durations}."]
    if "compile_seconds" in result:
        lines.append(f"Compilation, including the first three steps: {result['compile_seconds']:.0f} s.")
    return "\n".join(lines)


def _row(table: dict[str, Any], others: list[str]) -> list[str]:
    epoch = {name: value * table["steps_per_epoch"] for name, value in table["step_seconds"].items()}
    return [
        f"{table['rows']:,} x {COLUMNS}",
        f"{epoch['program']:.2f} ({1 / table['step_seconds']['program']:.1f})",
        *(f"{epoch[name]:.2f} ({table['ratio'][name]:.2g} x)" for name in others),
        f"{100 * table['fraction_of_peak']:.0f} % of {table['matmul_peak'] / 1e9:,.0f} GFLOP/s",
        " / ".join(f"{value / 1e9:.2f}" for value in table["peak_memory"].values()) + " GB",
    ]


def main() -> None:
    """Measure tables of several sizes on one device, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--rows", type=int, nargs="+", default=(4096, 50_000, 400_000))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=8, help="steps in a round")
    parser.add_argument("--compile", action="store_true", help="measure the compiled step too")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--report", type=Path, help="print the tables of this result file, and measure nothing")
    parser.add_argument("--alone", choices=CONTENDERS, help="print the peak memory of one contender, and nothing else")
    arguments = parser.parse_args()
    if arguments.report:
        print(report(json.loads(arguments.report.read_text())))
        return
    if arguments.alone:
        print(measure_alone(arguments.alone, arguments.rows[0], arguments.device))
        return
    result: dict[str, Any] = {"machine": describe_device(arguments.device), "tables": []}
    names = [name for name in CONTENDERS if arguments.compile or name != "compiled"]
    for count in arguments.rows:
        result["tables"].append(measure(count, arguments.device, arguments.rounds, arguments.steps, names))
        if arguments.output:
            arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    if arguments.compile:
        result["compile_seconds"] = compile_seconds(arguments.device)
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    print(report(result))


if __name__ == "__main__":
    main()
