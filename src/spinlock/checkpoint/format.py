"""Format of a checkpoint file: its version and its required keys. ``layout`` contains the schema of its content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spinlock.checkpoint.layout import LAYOUT
from spinlock.checkpoint.schema import check, describe
from spinlock.errors import CheckpointError

KIND = "spinlock-vqvae"
FORMAT_VERSION = 1

REMEDY = "use the best_model.pt or last.pt of a training run"

REQUIRED = frozenset(LAYOUT.fields)


def check_format(content: Any, path: Path) -> dict[str, int]:
    """Check that the content of a file is a complete checkpoint of this format.

    Parameters
    ----------
    content
        Content of the file.
    path
        Path of the file, for the error message.

    Returns
    -------
    dict
        The sizes that the letters stand for.

    Raises
    ------
    CheckpointError
        The content is not a checkpoint or has another format version.
    Mismatch
        A value is missing or of another kind.
    """
    where = str(path)
    kind = content.get("kind") if isinstance(content, dict) else None
    if not isinstance(kind, str) or kind != KIND:
        raise CheckpointError("is not a Spinlock checkpoint", where=where, remedy=REMEDY)
    version = content.get("format_version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise CheckpointError(
            f"has format version {describe(version)}",
            where=where,
            expected=f"version {FORMAT_VERSION}",
            remedy="use the version of Spinlock that wrote it, or train again",
        )
    return check(content, LAYOUT)
