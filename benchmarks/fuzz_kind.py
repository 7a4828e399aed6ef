"""What a kind of files provides to ``fuzz.py``, and the changes that are common to all kinds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

Random = np.random.Generator


@dataclass(frozen=True)
class Attempt:
    """A command, the names that it may create, and a check of its result, which returns what is wrong with it."""

    arguments: list[str]
    outputs: frozenset[str] = frozenset()
    wrong_result: Callable[[Path], str] = field(default=lambda folder: "")


class FileKind(Protocol):
    """A kind of files that is mutated.

    ``fuzz.KINDS`` lists the kinds. A new kind implements this protocol and is added there.
    """

    name: str

    def prepare(self, folder: Path) -> None:
        """Make the original files, and what the commands need besides, in a folder."""

    def mutate(self, folder: Path, random: Random) -> str:
        """Replace the mutated file in a copy of the folder. Return a description of the change."""

    def attempts(self, random: Random) -> list[Attempt]:
        """Return the commands that read the mutated file."""


def write_table(path: Path, rows: int = 90, columns: int = 12) -> None:
    """Write a dataset with groups of related columns, one of which is constant."""
    random = np.random.default_rng(0)
    factors = random.normal(size=(rows, 3)) @ np.repeat(np.eye(3), columns // 3, axis=1)
    values = (factors + 0.5 * random.normal(size=factors.shape)).astype(np.float32)
    values[:, 0] = 2.0
    with h5py.File(path, "w") as file:
        group = file.create_group("features/sdf/aggregated")
        group["features"] = values
        names = [f"g{j // 4}_{j}" for j in range(columns)]
        group.create_dataset("feature_names", data=names, dtype=h5py.string_dtype())


def write_config(path: Path, **settings: Any) -> None:
    """Write a configuration of a training that takes a fraction of a second."""
    small = {"epochs": 2, "use_torch_compile": False, "input_path": "t.h5", "output_dir": "new", "embedding_dim": 8}
    path.write_text(json.dumps(small | settings))


def pick(random: Random, options: list[Any]) -> Any:
    """Return one of some values, which may have different types."""
    return options[int(random.integers(len(options)))]


def odd_value(random: Random) -> Any:
    """Return a plain value that programs do not expect."""
    return pick(
        random,
        [
            None, True, False, 0, -1, 1, 3, 2**31, 2**63, 10**30, -(10**30), 10**5000, 0.0, -0.5, 1e300, 1e-300,
            math.nan, math.inf, -math.inf, "", "x", "x" * 100_000, "ä\n\x1b[31m", "\ud800", "\0", "../a", "1e3",
            [], [None], [[]], [1, "a"], [0] * 1000, {}, {"a": None}, {"": []}, {"x" * 1000: 1},
        ],
    )  # fmt: skip


def mutate_bytes(data: bytes, random: Random) -> tuple[bytes, str]:
    """Return changed bytes, and the name of the change."""
    if not data:
        return b"\xff", "one byte"
    start, count = int(random.integers(len(data))), int(random.integers(1, 64))
    change = pick(random, ["flip", "truncate", "insert", "remove", "repeat", "zero", "append"])
    changed = bytearray(data)
    match change:
        case "flip":
            for position in random.integers(len(data), size=count):
                changed[position] ^= int(random.integers(1, 256))
        case "truncate":
            del changed[start:]
        case "insert":
            changed[start:start] = random.bytes(count)
        case "remove":
            del changed[start : start + count]
        case "repeat":
            changed[start:start] = data[start : start + 1000]
        case "zero":
            changed[start : start + count] = bytes(len(changed[start : start + count]))
        case "append":
            changed += random.bytes(count)
    return bytes(changed), f"{change} {count} bytes at {start}"
