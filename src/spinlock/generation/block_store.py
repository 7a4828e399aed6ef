"""The results of finished blocks, one file for each block, in the directory ``<output>.parts``.

With these files a run can be resumed, and several processes can compute blocks. ``run.json`` identifies the run of
the files, and each file contains the hash of this identity. A file is written atomically, so that a killed process
leaves complete files only. The directory is locked while a run writes to it.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from spinlock.errors import OutputError, RunError
from spinlock.generation.blocks import Block
from spinlock.generation.compute_block import BlockResult
from spinlock.io.atomic import DirectoryLock, write_files

IDENTITY_FILE = "run.json"
BLOCK_PATTERN = "block-*.npz"
RUN = "run"
"""Name of the array of a file that contains the hash of the identity of its run."""

FRAMES = ("fields", "snapshots")
"""Names of the arrays of a shard that contain frames; they are read only when they are needed."""

MAX_SHOWN = 40
"""Maximum number of characters of a value in an error message."""


class BlockStore:
    """The block files of one run, in a directory beside ``output``.

    Parameters
    ----------
    output
        Path of the dataset.
    identity
        Everything on which the data depend, as JSON values.
    """

    def __init__(self, output: Path, identity: Mapping[str, Any]) -> None:
        self.output = output
        self.directory = output.with_name(output.name + ".parts")
        self._identity = json.dumps(identity, indent=2) + "\n"
        self._run = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the directory in a ``with`` block, and remove what killed processes left; afterwards remove it if empty.

        Raises
        ------
        OutputError
            Another process generates the same dataset, or the directory cannot be created.
        """
        if self.directory.exists() and not self.directory.is_dir():
            remedy = "move it, or choose another output"
            raise OutputError("is not a directory", where=str(self.directory), remedy=remedy)
        try:
            with DirectoryLock(self.directory, self.output):
                yield
        finally:
            with suppress(OSError):
                self.directory.rmdir()

    def prepare(self, *, resume: bool, overwrite: bool) -> None:
        """Store the identity of the run, or check that the existing files belong to a run with this identity.

        Parameters
        ----------
        resume
            Whether to keep the files of an unfinished run.
        overwrite
            Whether to delete the files of an unfinished run; ``resume`` takes precedence.

        Raises
        ------
        OutputError
            There are files of another run, or files of this run and neither ``resume`` nor ``overwrite``.
        """
        if overwrite and not resume:
            self.remove()
        files = list(self.directory.glob(BLOCK_PATTERN))
        if files or self._identity_file.exists():
            if not resume:
                raise OutputError(
                    f"contains an unfinished run with {len(files)} finished blocks",
                    where=str(self.directory),
                    remedy="pass resume=True to continue it, or overwrite=True to start again",
                )
            self._check_identity()
        write_files({self._identity_file: self._identity.encode()})

    @property
    def _identity_file(self) -> Path:
        return self.directory / IDENTITY_FILE

    def _check_identity(self) -> None:
        """Raise an :class:`OutputError` that names each difference from the identity of the unfinished run."""
        path = self._identity_file
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return  # the process was killed before it wrote the identity
        except ValueError:
            raise OutputError(
                "cannot be read as JSON", where=str(path), remedy="pass overwrite=True to start again"
            ) from None
        if not isinstance(stored, dict):
            stored = {}
        current = json.loads(self._identity)
        different = sorted(key for key in {*stored, *current} if stored.get(key) != current.get(key))
        if different:
            changes = [f"{key} was {_shorten(stored.get(key))}, is {_shorten(current.get(key))}" for key in different]
            raise OutputError(
                f"the unfinished run differs: {', '.join(changes)}",
                where=str(self.directory),
                remedy="resume with the original settings, or pass overwrite=True without resume=True to start again",
            )

    def has(self, block: Block) -> bool:
        """Return whether the block is finished."""
        return self._path(block).exists()

    def write(self, block: Block, result: BlockResult) -> None:
        """Store a finished block; the file is synced to the disk before it appears."""
        arrays = {field.name: getattr(result, field.name) for field in fields(result)}
        buffer = io.BytesIO()
        present = {name: values for name, values in arrays.items() if values is not None}
        np.savez(buffer, allow_pickle=False, **present, **{RUN: np.array(self._run)})
        write_files({self._path(block): buffer.getvalue()})

    def read(self, block: Block, frames: Collection[str] = ()) -> BlockResult:
        """Return a finished block; ``frames`` contains ``fields`` or ``snapshots`` if these are also read.

        Raises
        ------
        RunError
            The file is missing or damaged, or it belongs to another run.
        """
        path = self._path(block)
        remedy = "delete that file and continue with --resume"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                if str(stored[RUN]) != self._run:
                    raise RunError("belongs to another run", where=str(path), remedy=remedy)
                return BlockResult(
                    stored["per_timestep"],
                    stored["per_trajectory"],
                    stored["aggregated"],
                    stored["blow_up"],
                    *(stored[name] if name in frames and name in stored else None for name in FRAMES),
                )
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise RunError("cannot be read", where=str(path), remedy=remedy) from error

    def size(self) -> int:
        """Return the total size of all block files in bytes."""
        return sum(path.stat().st_size for path in self.directory.glob(BLOCK_PATTERN))

    def remove(self) -> None:
        """Delete the files of the run."""
        for path in (*self.directory.glob(BLOCK_PATTERN), self._identity_file):
            path.unlink(missing_ok=True)

    def _path(self, block: Block) -> Path:
        """Return the file of a block."""
        return self.directory / f"block-{block.number:06d}.npz"


def _shorten(value: object) -> str:
    """Return a value as JSON, cut to :data:`MAX_SHOWN` characters."""
    text = json.dumps(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 4] + " ..."
