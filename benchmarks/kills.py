"""SIGKILL at random moments of train-vqvae, generate, encode-to-tokens and extract-features.

A command is killed at a uniformly random moment. In half of the cases it is started again and killed a second time.
Then it runs to its end. Its output has to be equal, bit for bit, to that of an uninterrupted one, and no
temporary file, lock or shard may be left over. The program exits with 1 if this does not hold after every kill.

    poetry run python benchmarks/kills.py --kills 200 --output benchmarks/results/kills.json
    poetry run python benchmarks/kills.py --report benchmarks/results/kills.json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import h5py
import numpy as np
import torch

import markdown
from machine import describe_machine
from spinlock.cli import main as command_line

# Commands are forked from this process, because their imports take seconds.
from spinlock.encoding import encode_file
from spinlock.extraction import extract_file
from spinlock.generation import generate
from spinlock.training import fit

IMPORTED = (encode_file, extract_file, generate, fit)

ROWS, COLUMNS = 20_000, 12
TRAINING = {
    "embedding_dim": 8,
    "num_categories_auto": 3,
    "factors": [{"num_codes": 4}] * 3,
    "epochs": 12,
    "batch_size": 64,
    "val_every_n_epochs": 1,
    "device": "cpu",
}
GENERATION = {
    "num_samples": 96,
    "grid_size": 16,
    "num_steps": 5,
    "num_realizations": 2,
    "families": ["advection_diffusion", "gray_scott"],
    "neural_fraction": 0.0,
    "initial_wavenumber": [2.0, 3.0],
    "batch_size": 1,
    "device": "cpu",
}

TIMES = frozenset({"created", "command_line", "seconds", "started"})
"""Attributes of files and keys of checkpoints that contain a time or the command line."""

SKIPPED = TIMES | {"resume_from", "random"}
"""Keys of a checkpoint that may differ. ``resume_from`` names the resumed checkpoint; ``random`` contains the state of
torch's generator, on which no result depends."""


@dataclass(frozen=True)
class Command:
    """A command, the options with which it is started again, its output, and the function that reads the output."""

    arguments: tuple[str, ...]
    again: Callable[[], tuple[str, ...]]
    output: str
    read: Callable[[Path], Any]


def hdf5_content(path: Path) -> dict[str, Any]:
    """Return the bytes of all datasets of a file, and its attributes without times."""
    with h5py.File(path, "r") as file:
        content: dict[str, Any] = {name: str(value) for name, value in file.attrs.items() if name not in TIMES}
        names: list[str] = []
        file.visit(names.append)
        for name in names:
            if isinstance(file[name], h5py.Dataset):
                values = file[name][()]
                content[f"/{name}"] = repr(values.tolist()) if values.dtype == object else values.tobytes()
    return content


def run_content(directory: Path) -> dict[str, Any]:
    """Return the content of all files of a training run, without times."""
    content: dict[str, Any] = {}
    for path in sorted(directory.iterdir()):
        if path.suffix == ".pt":
            content[path.name] = plain(torch.load(path, weights_only=True))
        elif path.suffix == ".npz":
            content[path.name] = path.read_bytes()
        elif path.suffix == ".json":
            content[path.name] = plain(json.loads(path.read_text()))
        elif path.suffix == ".jsonl":
            content[path.name] = [plain(json.loads(line)) for line in path.read_text().splitlines()]
        else:
            content[path.name] = path.read_text()
    return content


def plain(value: Any) -> Any:
    """Return nested values without the keys :data:`SKIPPED`; tensors as bytes."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in SKIPPED}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return (str(value.dtype), value.numpy().tobytes()) if isinstance(value, torch.Tensor) else value


def resume_run() -> tuple[str, ...]:
    """Return the option that resumes a training run, if it has saved anything."""
    return ("--resume-from", "run") if any(Path("run").glob("*.pt")) else ()


def replace_output() -> tuple[str, ...]:
    """Return the option that replaces a complete output."""
    return ("--overwrite",) if Path("out.h5").exists() else ()


COMMANDS = {
    "train-vqvae": Command(
        ("--config", "../train.json", "--input", "../small.h5", "--output", "run"), resume_run, "run", run_content
    ),
    "generate": Command(
        ("--config", "../generate.json", "--output", "out.h5"), lambda: ("--resume",), "out.h5", hdf5_content
    ),
    "encode-to-tokens": Command(
        ("--dataset", "../large.h5", "--vqvae-model", "../model/best_model.pt", "--output", "out.h5"),
        replace_output,
        "out.h5",
        hdf5_content,
    ),
    "extract-features": Command(
        ("--rollouts", "../rollouts.h5", "--output", "out.h5"), replace_output, "out.h5", hdf5_content
    ),
}


def start(arguments: tuple[str, ...]) -> int:
    """Start a command in a fork of this process; return its process id."""
    child = os.fork()
    if child:
        return child
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ["spinlock", *arguments]
    try:
        command_line.run()
        os._exit(0)
    except SystemExit as error:
        os._exit(error.code if isinstance(error.code, int) else int(error.code is not None))
    finally:
        os._exit(99)


def finish(arguments: tuple[str, ...]) -> None:
    """Run a command to its end; its failure is an error."""
    code = os.waitstatus_to_exitcode(os.waitpid(start(arguments), 0)[1])
    if code != 0:
        raise SystemExit(
            f"spinlock {' '.join(arguments)} exits with {code} in {Path.cwd()}:\n{Path('log').read_text()}"
        )


def write_inputs() -> None:
    """Write the inputs of the commands to the working directory, and train the model for the encoding."""
    rng = np.random.default_rng(0)
    mixing = np.kron(np.eye(3), np.ones((1, COLUMNS // 3)))
    for name, rows in (("small.h5", 200), ("large.h5", ROWS)):
        values = rng.standard_normal((rows, 3)) @ mixing + 0.5 * rng.standard_normal((rows, COLUMNS))
        with h5py.File(name, "w") as file:
            file["features/sdf/aggregated/features"] = values.astype(np.float32)
            file["labels/kind"] = [f"kind {row % 3}" for row in range(rows)]
    with h5py.File("rollouts.h5", "w") as file:
        file["outputs/fields"] = rng.standard_normal((24, 2, 12, 1, 24, 24)).astype(np.float32)
    Path("train.json").write_text(json.dumps(TRAINING))
    Path("generate.json").write_text(json.dumps(GENERATION))
    finish(("train-vqvae", "--config", "train.json", "--input", "small.h5", "--output", "model"))


def faults_of(command: Command, reference: Any) -> list[str]:
    """Return what is wrong with the output and the directory of a command that was killed and run again."""
    faults = [f"{path.name} is left over" for path in Path().glob(".spinlock-*")]
    faults += [f"{path} is left over" for path in (*Path().rglob("*/.spinlock-*"), *Path().glob("*.parts"))]
    content = command.read(Path(command.output))
    different = sorted(key for key in {*content, *reference} if content.get(key) != reference.get(key))
    return faults + [f"{key} differs from the uninterrupted command" for key in different]


def measure(kills: int, seed: int) -> dict[str, Any]:
    """Kill the commands in turn and return the counts of each, and all faults."""
    draws = random.Random(seed)
    counts = {name: {"kills": 0, "before_the_end": 0} for name in COMMANDS}
    references, seconds, faults = {}, {}, []
    write_inputs()
    home = Path.cwd()
    for name, command in COMMANDS.items():
        enter(home / f"reference-{name}")
        started = time.monotonic()
        finish((name, *command.arguments))
        references[name], seconds[name] = command.read(Path(command.output)), time.monotonic() - started
    while sum(count["kills"] for count in counts.values()) < kills:
        name = min(counts, key=lambda each: counts[each]["kills"])
        command, options = COMMANDS[name], ()
        enter(home / f"{name}-{counts[name]['kills']}")
        for _ in range(draws.choice((1, 2))):
            process = start((name, *command.arguments, *options))
            time.sleep(draws.uniform(0, seconds[name]))
            os.kill(process, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            counts[name]["kills"] += 1
            counts[name]["before_the_end"] += status == -signal.SIGKILL
            options = command.again()
        finish((name, *command.arguments, *options))
        faults += [f"{Path.cwd().name}: {fault}" for fault in faults_of(command, references[name])]
    return {"machine": describe_machine(), "seed": seed, "commands": counts, "faults": faults}


def enter(directory: Path) -> None:
    """Create a directory and make it the working directory."""
    directory.mkdir()
    os.chdir(directory)


def report(result: dict[str, Any]) -> str:
    """Return a table with one row for each command, and the faults."""
    rows = [(name, str(each["kills"]), str(each["before_the_end"])) for name, each in result["commands"].items()]
    lines = markdown.table(("command", "kills", "of which before its end"), rows)
    return "\n".join([f"{result['machine']}; {len(result['faults'])} faults", "", lines, *result["faults"]])


def main() -> None:
    """Kill commands, or print earlier results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="number of kills")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--report", type=Path, help="print the table of this result file, and measure nothing")
    arguments = parser.parse_args()
    if arguments.report:
        print(report(json.loads(arguments.report.read_text())))
        return
    output = arguments.output and arguments.output.absolute()
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        result = measure(arguments.kills, arguments.seed)
        os.chdir(home)
    if output:
        output.write_text(json.dumps(result, indent=1) + "\n")
    print(report(result))
    sys.exit(bool(result["faults"]))


if __name__ == "__main__":
    main()
