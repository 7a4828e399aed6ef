"""Mutations of files, and how the commands that read them end.

Each mutation has to end in a right result or in one error of one line, within 60 s and 2 GB, and may not leave a file.
The mutations are seeded, so that each can be repeated by its number.

    OMP_NUM_THREADS=1 poetry run python benchmarks/fuzz.py --kind checkpoint --count 2000
    OMP_NUM_THREADS=1 poetry run python benchmarks/fuzz.py --kind configuration --only 17
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

import markdown
from fuzz_attempt import OUTCOMES, Outcome, import_everything, run_command
from fuzz_checkpoint import CheckpointKind
from fuzz_configuration import ConfigurationKind
from fuzz_hdf5 import DatasetKind, RolloutKind, TokenKind
from fuzz_kind import FileKind

KINDS: dict[str, type[FileKind]] = {
    kind.name: kind for kind in (CheckpointKind, ConfigurationKind, DatasetKind, TokenKind, RolloutKind)
}
"""The kinds of files by name. A further kind implements :class:`fuzz_kind.FileKind` and is added here."""


def fuzz(kind: FileKind, numbers: Iterable[int], seed: int) -> Iterator[tuple[int, str, list[str], Outcome]]:
    """Yield number, change, command and outcome of each attempt with the mutations of some numbers."""
    import_everything()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="fuzz.") as temporary:
        original = Path(temporary) / "original"
        original.mkdir()
        kind.prepare(original)
        for number in numbers:
            random = np.random.default_rng([seed, number])
            folder = Path(temporary) / "copy"
            shutil.copytree(original, folder)
            change = kind.mutate(folder, random)
            for attempt in kind.attempts(random):
                outcome = run_command(attempt.arguments, folder, attempt.outputs)
                wrong = attempt.wrong_result(folder) if outcome.kind == "result" else ""
                if wrong:
                    outcome = replace(outcome, kind="defect", text=f"{wrong}; {outcome.text}")
                yield number, change, attempt.arguments, outcome
            shutil.rmtree(folder)


def main() -> None:
    """Print every fault, and the number of attempts of each outcome."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=KINDS, action="append", help="kind of files; all by default")
    parser.add_argument("--count", type=int, default=2000, help="mutations of each kind")
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--only", type=int, help="repeat the mutation of this number")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    numbers = range(arguments.first, arguments.first + arguments.count)
    rows = []
    for name in arguments.kind or KINDS:
        counts: Counter[str] = Counter()
        started, slowest, largest = time.perf_counter(), 0.0, 0
        for number, change, command, outcome in fuzz(
            KINDS[name](), numbers if arguments.only is None else [arguments.only], arguments.seed
        ):
            counts[outcome.kind] += 1
            slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.peak)
            if outcome.kind not in ("result", "refused") or arguments.only is not None:
                print(f"{name} {number} ({change}) {command[0]}: {outcome.kind}: {outcome.text}", flush=True)
        print(f"{name}: {time.perf_counter() - started:.0f} s")
        measured = (f"{slowest:.1f} s", f"{largest / 1e9:.1f} GB")
        rows.append((name, *(str(counts[outcome]) for outcome in OUTCOMES), *measured))
    print(markdown.table(("kind", *OUTCOMES, "slowest", "largest"), rows))


if __name__ == "__main__":
    main()
