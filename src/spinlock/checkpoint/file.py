"""Reading and writing of checkpoint files. ``torch.load(path, weights_only=True)`` reads them without running code."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from spinlock.checkpoint.format import REMEDY
from spinlock.checkpoint.record import Checkpoint
from spinlock.errors import CheckpointError


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
    path = Path(path)
    return Checkpoint.from_dict(_read(path), path)


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
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch.load itself does not notice changed bytes
        if damaged is not None:
            raise CheckpointError(f"is damaged ({damaged})", where=where, remedy=REMEDY)
        return torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except FileNotFoundError:
        raise CheckpointError("no such checkpoint", where=where, remedy=REMEDY) from None
    except pickle.UnpicklingError as error:
        what = "contains an object that could run code, which is not loaded"
        raise CheckpointError(what, where=where, remedy=REMEDY) from error
    except Exception as error:
        system = error.strerror if isinstance(error, OSError) else None
        what = f"cannot be read ({system})" if system else "is truncated, damaged or not a checkpoint"
        raise CheckpointError(what, where=where, remedy=REMEDY) from error
