"""The error for a missing dataset that a configuration in ``configs/datasets`` can generate."""

from __future__ import annotations

import shlex
from pathlib import Path

RECIPES = Path("configs/datasets")


def check_dataset(path: Path) -> None:
    """Raise an error if a dataset does not exist and ``configs/datasets/<name>.yaml`` generates it.

    Raises
    ------
    DataError
        The dataset does not exist; the remedy is the command that generates it.
    """
    from spinlock.errors import DataError

    recipe = RECIPES / f"{path.stem}.yaml"
    if not path.exists() and recipe.is_file():
        command = ["spinlock", "generate", "--config", str(recipe), "--output", str(path)]
        raise DataError("no such file", where=str(path), remedy=f"generate it: {shlex.join(command)}")
