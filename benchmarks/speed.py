"""Seconds of a training step beside those of a plain loop over categories, in one run.

Tables of Gaussian rows of rank 14 with noise, 360 columns in 10 categories, K = 48, embeddings of at most 126, batches
of 1,024: the production configuration. The contenders take turns on the same rows:

program  a step of this program as ``train-vqvae`` does it: all losses, moving averages, dead-code resets
compiled the same through ``torch.compile`` (with ``--compile``, where a compiler is installed)
loop     the same architecture with one ``nn.Sequential`` encoder and one ``vector_quantize_pytorch.ResidualVQ`` for
         each category, embeddings of 126, one decoder, reconstruction + commitment + this program's topographic term
narrow   the same with embeddings as wide as this program makes them, 36: its own economy given away
pdist    the same with the topographic term from ``torch.pdist`` over 1,024 rows

Reported: median step over rounds after warm-up, seconds per epoch at that step, steps per second, what compiling takes,
the share of the peak rate of a large matrix product (measured here) that the program's counted operations reach, the
peak memory of each contender but the compiled one (in a process of its own, Python and torch included; on a GPU what
torch allocated), and which operations the program's time goes to.

    poetry install --with peers
    poetry run python benchmarks/speed.py --device cpu --compile --output results.json
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
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from vector_quantize_pytorch import ResidualVQ

from machine import described, matmul_peak, seconds
from spinlock.checkpoint.history import History
from spinlock.checkpoint.progress import Progress
from spinlock.checkpoint.provenance import Provenance
from spinlock.config import config_from_mapping
from spinlock.initialization.network import initialize_closed_form
from spinlock.io.feature_table import FeatureTable
from spinlock.model import ModelSpec, build_network
from spinlock.model.spec import latent_dims
from spinlock.preprocessing.split import Split
from spinlock.preprocessing.training_data import TrainingData
from spinlock.runtime.compilation import CompilePlan
from spinlock.training.compilation import step_operations
from spinlock.training.losses.topographic import topographic_loss
from spinlock.training.optimizer import make_optimizer
from spinlock.training.plan import Plan
from spinlock.training.run import Run, TrainingState
from spinlock.training.schedule import BatchPlan
from spinlock.training.trainer import Trainer

COLUMNS, CATEGORIES, CODES, EMBEDDING, HIDDEN, DECODER, RANK = 360, 10, 48, 126, 128, 256, 14
BATCH = 1024
TOPO_WEIGHT, COMMITMENT = 0.45, 0.5
FIT_ROWS = 4096
EPOCHS = 410

TITLES = {"compiled": "compiled", "loop": "loop", "narrow": "narrow loop", "pdist": "loop with pdist"}

OPERATIONS = 6
"""Of those that the time goes to, how many are told."""

Step = Callable[[Tensor], None]


def table(rows: int, device: torch.device) -> Tensor:
    """Rows [n, 360] of rank 14 and unit variance, with a tenth of noise, made in pieces: no other copy of it."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(RANK, COLUMNS, generator=generator) / RANK**0.5
    made = torch.empty(rows, COLUMNS)
    for part in torch.split(made, FIT_ROWS):
        torch.mm(torch.randn(len(part), RANK, generator=generator), mixing, out=part)
        part.add_(torch.randn(part.shape, generator=generator), alpha=0.1)
    return made.to(device)


def specification() -> ModelSpec:
    """Ten categories of 36 columns."""
    width = COLUMNS // CATEGORIES
    groups = tuple(tuple(range(c * width, (c + 1) * width)) for c in range(CATEGORIES))
    dims = latent_dims(width, EMBEDDING, (0.5, 1.0, 1.5))
    names = tuple(f"category_{c}" for c in range(CATEGORIES))
    sizes = ((CODES,) * 3,) * CATEGORIES
    return ModelSpec(names, groups, EMBEDDING, HIDDEN, (dims,) * CATEGORIES, sizes, decoder_dim=DECODER)


def resident(rows: Tensor) -> TrainingData:
    """Rows as a run holds them; nothing else of the table is looked at."""
    nothing = np.empty((0, COLUMNS), dtype=np.float32)
    table = FeatureTable("rows.h5", "sdf", "aggregated", (), len(rows), 1, "", nothing)
    every = np.arange(len(rows))
    split = Split(every, every[:0], every, every[:0])
    return TrainingData(table, split, _Cleaner(), None, every, every[:0], rows, rows[:1])  # type: ignore[arg-type]


class _Cleaner:
    """Stands for the cleaning, which a step does not use."""

    def to_z_scores(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The values themselves."""
        return values


def program(rows: Tensor, *, compiled: bool) -> Step:
    """A step of this program."""
    config = config_from_mapping({"input_path": "rows.h5", "batch_size": BATCH}, where="benchmark")
    model = build_network(specification(), seed=0).to(rows.device)
    initialize_closed_form(model, rows[:FIT_ROWS], ridge=0.01, rows_per_batch=BATCH, seed=0, iterations=5)
    optimizer = make_optimizer(model, config.learning_rate, scaled=True)
    state = TrainingState(model, optimizer, Progress(planned_steps=1_000_000), History(), {})
    compile_plan = CompilePlan(compiled, "benchmark")
    plan = Plan(config, {}, resident(rows), specification(), None, compile_plan)  # type: ignore[arg-type]
    trainer = Trainer(Run(plan, state, Provenance({}, "benchmark", "", {})))
    trainer.step = trainer._make_step()

    def step(chosen: Tensor) -> None:
        trainer._optimize(chosen)
        state.progress.step += 1

    return step


class Loop(nn.Module):
    """The architecture as a plain loop over categories."""

    def __init__(self, embedding: int) -> None:
        super().__init__()
        self.width = COLUMNS // CATEGORIES
        self.encoders = nn.ModuleList(
            nn.Sequential(nn.Linear(self.width, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, embedding))
            for _ in range(CATEGORIES)
        )
        self.quantizers = nn.ModuleList(
            ResidualVQ(dim=embedding, num_quantizers=3, codebook_size=CODES, decay=0.99, threshold_ema_dead_code=1)
            for _ in range(CATEGORIES)
        )
        self.decoder = nn.Sequential(nn.Linear(CATEGORIES * embedding, DECODER), nn.GELU(), nn.Linear(DECODER, COLUMNS))

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction [B, D], latents [C, B, E], mean commitment loss."""
        latents, losses = [], []
        for c, (encoder, quantizer) in enumerate(zip(self.encoders, self.quantizers, strict=True)):
            quantized, _, loss = quantizer(encoder(rows[:, c * self.width : (c + 1) * self.width]))
            latents.append(quantized)
            losses.append(loss.mean())
        return self.decoder(torch.cat(latents, 1)), torch.stack(latents), torch.stack(losses).mean()


def loop(rows: Tensor, *, embedding: int = EMBEDDING, pdist: bool = False) -> Step:
    """A step of the plain loop."""
    torch.manual_seed(0)
    model = Loop(embedding).to(rows.device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=7e-4, fused=True)

    def step(chosen: Tensor) -> None:
        batch = rows[chosen]
        optimizer.zero_grad(set_to_none=True)
        reconstruction, latents, commitment = model(batch)
        flat = latents.transpose(0, 1).flatten(1)
        topographic = _pdist_loss(batch, flat) if pdist else topographic_loss(batch, flat)
        total = F.mse_loss(reconstruction, batch) + COMMITMENT * commitment + TOPO_WEIGHT * topographic
        torch.autograd.backward(total)
        optimizer.step()

    return step


def _pdist_loss(rows: Tensor, latents: Tensor) -> Tensor:
    near, far = torch.pdist(rows), torch.pdist(latents)
    near, far = near - near.mean(), far - far.mean()
    return 1 - (near * far).sum() / (near.square().sum() * far.square().sum()).sqrt()


CONTENDERS: dict[str, Callable[..., Step]] = {
    "program": partial(program, compiled=False),
    "compiled": partial(program, compiled=True),
    "loop": loop,
    "narrow": partial(loop, embedding=specification().embedding_width(slice(0, CATEGORIES))),
    "pdist": partial(loop, pdist=True),
}


def measure(count: int, device: torch.device, rounds: int, steps: int, chosen: Sequence[str]) -> dict[str, Any]:
    """Steps of the chosen contenders by turns, on a table of ``count`` rows."""
    rows = table(count, device)
    torch.compiler.reset()  # a table of another size has batches of another
    contenders = {name: CONTENDERS[name](rows) for name in chosen}
    plan = BatchPlan.of(count, BATCH)
    order = plan.order(0, 1).to(device)
    warm_up = {}
    for name, step in contenders.items():
        warm_up[name] = seconds(lambda step=step: [step(order[i % plan.steps]) for i in range(3)], device)  # type: ignore[misc]
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, step in contenders.items():
            batches = [order[(number * steps + i) % plan.steps] for i in range(steps)]
            taken[name].append(seconds(lambda s=step, b=batches: [s(x) for x in b], device) / steps)  # type: ignore[misc]
    peak = matmul_peak(device)
    median = {name: statistics.median(values) for name, values in taken.items()}
    operations = step_operations(specification(), plan.batch)
    return {
        "rows": count,
        "batch": plan.batch,
        "steps_per_epoch": plan.steps,
        "step_seconds": median,
        "ratio": {
            name: statistics.median(a / b for a, b in zip(values, taken["program"], strict=True))
            for name, values in taken.items()
        },
        "warm_up_seconds": warm_up,
        "matmul_peak": peak,
        "share_of_peak": operations / median["program"] / peak,
        "time": where_time_goes(contenders["program"], order, device),
        "peak_memory": {name: peak_memory(name, count, device) for name in chosen if name != "compiled"},
    }


def where_time_goes(step: Step, order: Tensor, device: torch.device) -> dict[str, float]:
    """Shares of the operations that take most of the time of ten steps, on the device."""
    activity = ProfilerActivity.CUDA if device.type == "cuda" else ProfilerActivity.CPU
    with profile(activities=[activity]) as profiler:
        for number in range(10):
            step(order[number % len(order)])
    taken = {
        event.key: event.self_device_time_total if device.type == "cuda" else event.self_cpu_time_total
        for event in profiler.key_averages()
    }
    total = sum(taken.values())
    leading = sorted(taken, key=lambda key: -taken[key])[:OPERATIONS]
    return {key.removeprefix("aten::"): taken[key] / total for key in leading}


def compile_seconds(device: torch.device) -> float:
    """What compiling takes where nothing was compiled before, the first three steps included."""
    command = [sys.executable, __file__, "--device", str(device), "--alone", "compiled"]
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"TORCHINDUCTOR_CACHE_DIR": cache}
        return float(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def peak_memory(name: str, count: int, device: torch.device) -> int:
    """Bytes at most, of one contender alone in a process of its own, three steps long."""
    command = [sys.executable, __file__, "--device", str(device), "--rows", str(count), "--alone", name]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def alone(name: str, count: int, device: torch.device) -> float:
    """What those processes do: three steps of a contender; their seconds if it is compiled, else bytes at most."""
    rows = table(count, device)
    step, order = CONTENDERS[name](rows), BatchPlan.of(count, BATCH).order(0, 1).to(device)
    taken = seconds(lambda: [step(order[number % len(order)]) for number in range(3)], device)
    if name == "compiled":
        return taken
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status").read_text()  # what getrusage says includes the process that started this one
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])  # type: ignore[index]


def markdown(result: dict[str, Any]) -> str:
    """One line for each table, and a few of what is not the same for all."""
    others = [name for name in TITLES if name in result["tables"][0]["step_seconds"]]
    titles = " | ".join(TITLES[name] for name in others)
    lines = [
        f"{result['machine']}\n",
        f"| rows x columns | program: s per epoch (steps/s) | {titles} | share of matmul peak | peak memory |",
        "|---" * (len(others) + 4) + "|",
    ]
    for r in result["tables"]:
        step, ratio = r["step_seconds"], r["ratio"]
        epoch = {name: value * r["steps_per_epoch"] for name, value in step.items()}
        beside = " | ".join(f"{epoch[name]:.2f} ({ratio[name]:.2g} x)" for name in others)
        memory = " / ".join(f"{value / 1e9:.2f}" for value in r["peak_memory"].values())
        lines.append(
            f"| {r['rows']:,} x {COLUMNS} | {epoch['program']:.2f} ({1 / step['program']:.1f}) | {beside} "
            f"| {100 * r['share_of_peak']:.0f} % of {r['matmul_peak'] / 1e9:,.0f} GFLOP/s "
            f"| {memory} GB |"
        )
    lines.append("\nWhere a step of the program spends its time:\n")
    for r in result["tables"]:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in r["time"].items())
        lines.append(f"- {r['rows']:,} rows: {shares}")
    first = result["tables"][0]
    steps = EPOCHS * first["steps_per_epoch"]
    long = ", ".join(f"{TITLES.get(name, name)} {steps * s:.0f} s" for name, s in first["step_seconds"].items())
    lines.append(f"\n{EPOCHS} epochs of {first['rows']:,} rows at these steps: {long}.")
    if "compile_seconds" in result:
        lines.append(f"Compiling, the first three steps included: {result['compile_seconds']:.0f} s.")
    return "\n".join(lines)


def main() -> None:
    """Measure tables of several sizes on one device."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--rows", type=int, nargs="+", default=(4096, 50_000, 400_000))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=8, help="steps in a round")
    parser.add_argument("--compile", action="store_true", help="let the compiled program take part")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--alone", choices=CONTENDERS, help="print the peak memory of one contender alone")
    arguments = parser.parse_args()
    if arguments.alone:
        print(alone(arguments.alone, arguments.rows[0], arguments.device))
        return
    result: dict[str, Any] = {"machine": described(arguments.device), "tables": []}
    chosen = [name for name in CONTENDERS if arguments.compile or name != "compiled"]
    for count in arguments.rows:
        result["tables"].append(measure(count, arguments.device, arguments.rounds, arguments.steps, chosen))
        if arguments.output:
            arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    if arguments.compile:
        result["compile_seconds"] = compile_seconds(arguments.device)
    if arguments.output:
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")
    print(markdown(result))


if __name__ == "__main__":
    main()
