"""Mutations of configurations of ``train-vqvae`` and ``generate``: keys, values, structure and bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fuzz_kind import Attempt, Random, mutate_bytes, odd_value, pick, write_config, write_table
from spinlock.config import DatasetConfig, VQVAEConfig

SNIPPETS = [
    "!!bool maybe", "!!int x", "!!python/object:os.system {}", "!!binary a", "!!timestamp 1", "&a [*a]", "*a", "<<: 1",
    "[1, 2", "{a: ", "0x" + "f" * 5000, "9" * 400, "9" * 5000, "1e999", "-.inf", ".nan", "0o9", "1:2:3", "'",
    '"\\ud800"', "&a {x: &b [1], y: *b}", "? [1]: 2", "- - - -", "|\n  text", "\t", "\x00", "%YAML 9.9", "---", "...",
    "[" * 3000, "{a: " * 300, "~", "null", "yes", "2024-01-01",
    "0.5:1:1.5", "[0.5, 1, 1.5]", "labels/x", "cuda:99", "/", "..",
]  # fmt: skip
"""Texts in place of a value."""


class ConfigurationKind:
    """Configurations, which are used for a dry run and for a short training."""

    name = "configuration"

    def prepare(self, folder: Path) -> None:
        """Write a table and a small configuration of each command."""
        write_table(folder / "t.h5")
        write_config(folder / "train.json")
        small = {"num_samples": 4, "grid_size": 32, "num_steps": 2, "warmup_steps": 0, "num_realizations": 1}
        (folder / "generate.json").write_text(json.dumps(small))

    def mutate(self, folder: Path, random: Random) -> str:
        """Write the mutated configuration of one of the commands."""
        self.command = pick(random, ["train", "train", "generate"])
        values = json.loads((folder / f"{self.command}.json").read_text())
        model = VQVAEConfig if self.command == "train" else DatasetConfig
        changes = [_mutate_values, _mutate_values, _mutate_values, _mutate_text, _mutate_text, _mutate_file]
        text, change = pick(random, changes)(values, model, random)
        is_json = text.startswith(b"{")
        self.path = pick(random, ["c.yaml", "c"] + ["c.json"] * 2 * is_json)
        (folder / self.path).write_bytes(text)
        return f"{self.command} {self.path}: {change}"

    def attempts(self, random: Random) -> list[Attempt]:
        """Make a dry run, and sometimes the training itself."""
        if self.command == "generate":
            return [Attempt(["generate", "--config", self.path, "--output", "d.h5", "--dry-run"])]
        train = ["train-vqvae", "--config", self.path, "--input", "t.h5"]
        dry = Attempt([*train, "--output", "new", "--dry-run"])
        limit = ["--output", "new", "--max-time", "0.02", "--set", "checkpoint_dir=null"]
        limited = Attempt([*train, *limit], frozenset({"new"}))
        return [dry, limited] if random.random() < 0.3 else [dry]


def _mutate_values(values: dict[str, Any], model: type, random: Random) -> tuple[bytes, str]:
    """Set keys to odd values, numbers near their limits, or values of other keys."""
    defaults = model().model_dump(mode="json")
    changed = []
    for _ in range(pick(random, [1, 1, 1, 2, 3])):
        key, other = pick(random, list(defaults)), pick(random, list(defaults))
        number = defaults[key] if isinstance(defaults[key], int | float) else 1
        near = [0, 1, 2, 3, 5, 17, 0.5, 0.99, -number, number * 2, number // 7, number / 3, number * 10, number * 1000]
        near += [10**9, 100_000, 8192, 1e6, 1e-12, 2**24]
        odd = [odd_value(random), defaults[other], [defaults[key]], {"a": defaults[key]}]
        values[key] = pick(random, [*(pick(random, near) for _ in range(5)), *odd])
        changed.append(f"{key}={values[key]!r:.40}" if not _is_huge(values[key]) else f"{key}=huge")
    if random.random() < 0.1:
        key = odd_value(random)
        values[key if isinstance(key, str) else "extra"] = odd_value(random)
    return _dump(values), ", ".join(changed)


def _is_huge(value: Any) -> bool:
    return isinstance(value, int) and value.bit_length() > 1000


def _dump(values: dict[str, Any]) -> bytes:
    """Return JSON; an integer of thousands of digits, which Python does not write, in hexadecimal YAML."""
    try:
        return json.dumps(values).encode()
    except ValueError:
        return "\n".join(f"{key}: {hex(item) if _is_huge(item) else 1}" for key, item in values.items()).encode(
            "utf-8", "surrogatepass"
        )


def _mutate_text(values: dict[str, Any], model: type, random: Random) -> tuple[bytes, str]:
    """Insert a text of YAML in place of a value or a key."""
    key, snippet = pick(random, list(model.model_fields)), pick(random, SNIPPETS)
    lines = [f"{name}: {json.dumps(value)}" for name, value in values.items() if name != key]
    line = pick(random, [f"{key}: {snippet}", f"{key}: [{snippet}, {snippet}]", f"{snippet}: 1", snippet])
    lines.insert(int(random.integers(len(lines) + 1)), line)
    return "\n".join(lines).encode("utf-8", "surrogatepass"), line[:60]


def _mutate_file(values: dict[str, Any], model: type, random: Random) -> tuple[bytes, str]:
    """Change bytes of the file."""
    return mutate_bytes(json.dumps(values, indent=1).encode(), random)
