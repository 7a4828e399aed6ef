"""Shards: the results of finished blocks, one file for each block, in the directory ``<output>.shards``.

Because of the shards a run can be resumed, and several processes can compute blocks. ``run.json`` identifies the run of
the shards. A shard is written atomically, so that a killed process leaves complete files only.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from spinlock.errors import OutputError, RunError
from spinlock.generation.blocks import Block
from spinlock.generation.compute_block import BlockResult
from spinlock.io.atomic import remove_temporaries, write_files

IDENTITY_FILE = "run.json"
SHARD_PATTERN = "block-*.npz"
MAX_SHOWN = 40
"""Maximum number of characters of a value in an error message."""


class ShardStore:
    """The shards of one run, in a directory beside ``output``."""

    def __init__(self, output: Path) -> None:
        self.directory = output.with_name(output.name + ".shards")

    def prepare(self, identity: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
        """Create the directory, or check that its shards belong to the run with this identity.

        Parameters
        ----------
        identity
            Everything on which the data depend, as JSON values.
        resume
            Whether to keep the shards of an unfinished run.
        overwrite
            Whether to delete the shards of an unfinished run; ``resume`` takes precedence.

        Raises
        ------
        OutputError
            There are shards of another run, or shards of this run and neither ``resume`` nor ``overwrite``.
        """
        if self.directory.exists() and not self.directory.is_dir():
            remedy = "move it, or choose another output"
            raise OutputError("is not a directory", where=str(self.directory), remedy=remedy)
        if overwrite and not resume:
            self.remove()
        elif self.directory.exists():
            if not resume:
                num_shards = len(list(self.directory.glob(SHARD_PATTERN)))
                raise OutputError(
                    f"contains an unfinished run with {num_shards} finished blocks",
                    where=str(self.directory),
                    remedy="pass --resume to continue it, or --overwrite to start again",
                )
            self._check_identity(identity)
            remove_temporaries(self.directory)
        write_files({self.directory / IDENTITY_FILE: (json.dumps(identity, indent=2) + "\n").encode()})

    def _check_identity(self, identity: Mapping[str, Any]) -> None:
        """Raise an :class:`OutputError` that names each difference from the identity of the unfinished run."""
        path = self.directory / IDENTITY_FILE
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return  # the process was killed before it wrote the identity
        except ValueError:
            raise OutputError(
                "cannot be read as JSON", where=str(path), remedy="pass --overwrite to start again"
            ) from None
        if not isinstance(stored, dict):
            stored = {}
        current = json.loads(json.dumps(identity))
        different = sorted(key for key in {*stored, *current} if stored.get(key) != current.get(key))
        if different:
            changes = [f"{key} was {_shorten(stored.get(key))}, is {_shorten(current.get(key))}" for key in different]
            raise OutputError(
                f"the unfinished run differs: {', '.join(changes)}",
                where=str(self.directory),
                remedy="resume with the original settings, or pass --overwrite without --resume to start again",
            )

    def has(self, block: Block) -> bool:
        """Return whether the block is finished."""
        return self._path(block).exists()

    def write(self, block: Block, result: BlockResult) -> None:
        """Store a finished block; the file is synced to the disk before it appears."""
        arrays = {field.name: getattr(result, field.name) for field in fields(result)}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{name: values for name, values in arrays.items() if values is not None})
        write_files({self._path(block): buffer.getvalue()})

    def read(self, block: Block, *, with_fields: bool = True) -> BlockResult:
        """Return a finished block, with or without its frames.

        Raises
        ------
        RunError
            The file is missing or damaged.
        """
        path = self._path(block)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return BlockResult(
                    stored["per_timestep"],
                    stored["per_trajectory"],
                    stored["aggregated"],
                    stored["blow_up"],
                    stored["fields"] if with_fields and "fields" in stored else None,
                )
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise RunError(
                "cannot be read", where=str(path), remedy="delete that file and continue with --resume"
            ) from error

    def size(self) -> int:
        """Return the total size of all shards in bytes."""
        return sum(path.stat().st_size for path in self.directory.glob(SHARD_PATTERN))

    def remove(self) -> None:
        """Delete the files of the run, and also the directory if it contains no other files."""
        remove_temporaries(self.directory)
        for path in (*self.directory.glob(SHARD_PATTERN), self.directory / IDENTITY_FILE):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self.directory.rmdir()

    def _path(self, block: Block) -> Path:
        """Return the file of a block."""
        return self.directory / f"block-{block.number:06d}.npz"


def _shorten(value: object) -> str:
    """Return a value as JSON, cut to :data:`MAX_SHOWN` characters."""
    text = json.dumps(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 4] + " ..."
