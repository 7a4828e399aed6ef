"""Making a shard, unless it is finished already."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from spinlock.errors import DataError, OutputError
from spinlock.io.atomic import write_files
from spinlock.sharding.manifest import Manifest, Work
from spinlock.sharding.pieces import Piece, file_sha256, write_pieces
from spinlock.sharding.shard import Shard


def finished_shard(shard: Shard, work: Work, *, overwrite: bool) -> Manifest | None:
    """Return the manifest of a shard that is finished already, or None if it has to be made.

    A file without a manifest is unfinished, and one that does not match its manifest is damaged. Both are made again.

    Parameters
    ----------
    shard
        The shard.
    work
        What it has to contain.
    overwrite
        Whether an existing shard is replaced.

    Raises
    ------
    OutputError
        There is a shard of another command, configuration or input, and ``overwrite`` is false.
    """
    if overwrite or not shard.manifest_path.exists():
        return None
    try:
        manifest = Manifest.read(shard.manifest_path)
    except DataError:
        return None
    different = manifest.work.differences(work.identity)
    if manifest.work.command != work.command:
        different = [f"command ({manifest.work.command})"]
    elif (manifest.work.total, manifest.work.ranges) != (work.total, work.ranges):
        different.append(work.unit)
    if different:
        raise OutputError(
            f"the shard exists already and differs in {', '.join(different)}",
            where=str(shard.path),
            expected="the same inputs, settings and versions",
            remedy="pass overwrite=True to replace it, or choose another output",
        )
    return manifest if file_problem(shard, manifest) == "" else None


def file_problem(shard: Shard, manifest: Manifest) -> str:
    """Return why a shard does not match its name or its manifest, or no text if it does."""
    if (manifest.shard, manifest.shards) != (shard.number, shard.count):
        return f"it is shard {manifest.shard}/{manifest.shards} under another name"
    if not shard.path.is_file():
        return "its file is missing"
    if shard.path.stat().st_size != manifest.file_bytes:
        return f"its file has {shard.path.stat().st_size} bytes instead of {manifest.file_bytes}"
    return "" if file_sha256(shard.path) == manifest.file_sha256 else "its file does not have the recorded SHA-256"


def make_shard(shard: Shard, work: Work, pieces: Iterable[Piece], summary: Callable[[], dict[str, Any]]) -> Manifest:
    """Write the file of a shard, and then its manifest.

    Parameters
    ----------
    shard
        The shard.
    work
        What it contains.
    pieces
        Its results; they can be computed while they are written.
    summary
        Returns the result of the command for this shard, after the last piece.

    Raises
    ------
    OutputError
        Another process writes the shard, or it cannot be written.
    """
    write_pieces(shard.path, pieces)
    manifest = Manifest(shard.number, shard.count, work, summary(), shard.path.stat().st_size, file_sha256(shard.path))
    write_files({shard.manifest_path: manifest.to_json()})
    return manifest
