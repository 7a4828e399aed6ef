"""Reading and writing of checkpoint files. ``torch.load(path, weights_only=True)`` reads them without running code."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from spinlock.checkpoint.archive import ArchiveError, read_archive
from spinlock.checkpoint.format import REMEDY
from spinlock.checkpoint.reading import to_checkpoint
from spinlock.checkpoint.record import Checkpoint
from spinlock.errors import CheckpointError
from spinlock.paths import is_special_file, user_path
from spinlock.runtime.isolation import isolated


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint.

    Parameters
    ----------
    path
        ``best_model.pt``, ``last.pt`` or a saved tokenizer.

    Returns
    -------
    Checkpoint

    Raises
    ------
    CheckpointError
        The file does not exist, is damaged, is not a checkpoint, has another format version, or contains objects other
        than data.
    """
    path = user_path(path)
    return to_checkpoint(_read(path), path)


@isolated()
def to_bytes(checkpoint: Checkpoint) -> bytes:
    """Return the content of a checkpoint file."""
    buffer = io.BytesIO()
    torch.save(checkpoint.to_dict(), buffer)
    return buffer.getvalue()


def _read(path: Path) -> Any:
    where = str(path)
    try:
        if path.is_dir():
            raise CheckpointError("is a directory", where=where, remedy=REMEDY)
        if is_special_file(path):
            raise CheckpointError("is not a regular file", where=where, remedy=REMEDY)
        return read_archive(path)
    except ArchiveError as error:
        raise CheckpointError(str(error), where=where, remedy=REMEDY) from error
    except FileNotFoundError:
        raise CheckpointError("no such checkpoint", where=where, remedy=REMEDY) from None
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
        raise CheckpointError(what, where=where, remedy=REMEDY) from error
