"""Finished blocks beside the output, a file each, until all are there: what makes a run resumable and shareable.

``<output>.shards/run.json`` says which run they belong to. A part appears whole or not at all, so that a killed process
leaves only good ones; any process may compute any block.
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
from spinlock.generation.block import BlockResult
from spinlock.generation.blocks import Block
from spinlock.io.atomic import remove_temporaries, write_files

RUN = "run.json"
BLOCKS = "block-*.npz"


class ShardStore:
    """The parts of one run, in the directory beside ``output``."""

    def __init__(self, output: Path) -> None:
        self.directory = output.with_name(output.name + ".shards")

    def prepare(self, identity: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
        """Make the directory, or find what an earlier process of the same run left.

        Raises:
            OutputError: parts of another run, or of this one without ``resume`` or ``overwrite``.
        """
        if self.directory.exists() and not self.directory.is_dir():
            raise OutputError("is no directory", where=str(self.directory), remedy="move it, or choose another output")
        if overwrite and not resume:
            self.remove()
        elif self.directory.exists():
            if not resume:
                done = len(list(self.directory.glob(BLOCKS)))
                raise OutputError(
                    f"an unfinished run is there, {done} blocks of it done",
                    where=str(self.directory),
                    remedy="pass --resume to go on with it, or --overwrite to start again",
                )
            self._check_identity(identity)
            remove_temporaries(self.directory)
        write_files({self.directory / RUN: (json.dumps(identity, indent=2) + "\n").encode()})

    def _check_identity(self, identity: Mapping[str, Any]) -> None:
        try:
            found = json.loads((self.directory / RUN).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return  # killed before anything was written
        except ValueError:
            raise OutputError(
                "cannot be read as JSON", where=str(self.directory / RUN), remedy="pass --overwrite to start again"
            ) from None
        if not isinstance(found, dict):
            found = {}
        wanted = json.loads(json.dumps(identity))
        different = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
        if different:
            said = ", ".join(f"{key} was {_brief(found.get(key))}, is {_brief(wanted.get(key))}" for key in different)
            raise OutputError(
                f"the unfinished run differs: {said}",
                where=str(self.directory),
                remedy="resume with what it began with, or pass --overwrite without --resume to start again",
            )

    def has(self, block: Block) -> bool:
        """Whether the block is done."""
        return self._path(block).exists()

    def write(self, block: Block, result: BlockResult) -> None:
        """Keep a block, synced to disk before it counts."""
        arrays = {field.name: getattr(result, field.name) for field in fields(result)}
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{name: values for name, values in arrays.items() if values is not None})
        write_files({self._path(block): buffer.getvalue()})

    def read(self, block: Block, *, with_fields: bool = True) -> BlockResult:
        """A block that is done.

        Raises:
            RunError: the file is missing or damaged.
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
                "cannot be read", where=str(path), remedy="delete that file and go on with --resume"
            ) from error

    def size(self) -> int:
        """Bytes of the blocks that are done."""
        return sum(path.stat().st_size for path in self.directory.glob(BLOCKS))

    def remove(self) -> None:
        """Delete what a run keeps there, and the directory unless something else is in it."""
        remove_temporaries(self.directory)
        for path in (*self.directory.glob(BLOCKS), self.directory / RUN):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self.directory.rmdir()

    def _path(self, block: Block) -> Path:
        return self.directory / f"block-{block.number:06d}.npz"


def _brief(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:36] + " ..."
