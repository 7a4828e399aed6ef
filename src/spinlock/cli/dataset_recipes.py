"""The error for a missing dataset that a configuration in ``configs/datasets`` can generate."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

RECIPES = Path("configs/datasets")

SECONDS_PER_VALUE = 7e-7
"""Time in which one CPU core computes one value of a field, its features included; see docs/performance.md."""


def check_dataset(path: Path) -> None:
    """Raise an error if a dataset does not exist and ``configs/datasets/<name>.yaml`` generates it.

    Raises
    ------
    DataError
        The dataset does not exist; the remedy is the command that generates it, with its approximate duration.
    """
    from spinlock.errors import DataError

    recipe = RECIPES / f"{path.stem}.yaml"
    if not path.exists() and recipe.is_file():
        command = ["poetry", "run", "spinlock", "generate", "--config", str(recipe), "--output", str(path)]
        remedy = f"generate it{_duration(recipe)}: {shlex.join(command)}"
        raise DataError("no such file", where=str(path), remedy=remedy)


def _duration(recipe: Path) -> str:
    """Return the approximate duration of the generation in parentheses, or nothing if the configuration is wrong."""
    from spinlock.cli.terminal import format_duration
    from spinlock.config import load_dataset_config
    from spinlock.errors import ConfigError

    try:
        config = load_dataset_config(recipe)
    except ConfigError:  # the command itself reports what is wrong
        return ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    values = config.num_samples * config.num_realizations * config.num_steps * config.grid_size**2
    seconds = SECONDS_PER_VALUE * values / cores
    return f" (about {format_duration(max(1, seconds))} on {cores} CPU {'core' if cores == 1 else 'cores'})"
