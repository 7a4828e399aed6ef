"""Datasets that are not there yet but could be: the shipped configuration that makes one of that name."""

from __future__ import annotations

import shlex
from pathlib import Path

RECIPES = Path("configs/datasets")


def check_dataset(path: Path) -> None:
    """Refuse a dataset that is missing, with the command that makes it where a configuration of its name is shipped.

    Raises:
        DataError: there is no such file, but ``configs/datasets/<name>.yaml``.
    """
    from spinlock.errors import DataError

    recipe = RECIPES / f"{path.stem}.yaml"
    if not path.exists() and recipe.is_file():
        command = ["spinlock", "generate", "--config", str(recipe), "--output", str(path)]
        raise DataError("no such file", where=str(path), remedy=f"make it: {shlex.join(command)}")
