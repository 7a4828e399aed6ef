"""Joining of the shards of an output, which ``generate``, ``extract-features`` or ``encode-to-tokens`` made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spinlock.encoding.shards import COMMAND as ENCODE
from spinlock.encoding.shards import join_tokens
from spinlock.encoding.summary import EncodingSummary
from spinlock.errors import DataError
from spinlock.extraction.output import COMMAND as EXTRACT
from spinlock.extraction.output import join_features
from spinlock.generation.plan import COMMAND as GENERATE
from spinlock.generation.shards import join_blocks
from spinlock.paths import user_path
from spinlock.sharding.collection import ShardCollection, find_shards


@dataclass(frozen=True)
class JoinResult:
    """The result of :func:`join`.

    Attributes
    ----------
    output
        Path of the file.
    command
        Command that made the shards.
    num_shards
        Number of shards.
    total, unit
        Number of units of the file, and their name, for example ``rows``.
    range_warning
        Line about columns that do not fit the training rows of the model; empty if there is nothing to report, and for
        other files than tokens.
    """

    output: Path
    command: str
    num_shards: int
    total: int
    unit: str
    range_warning: str = ""


def join(output: str | Path, *, overwrite: bool = False, advance: Callable[[int], None] = lambda _: None) -> JoinResult:
    """Put the shards of an output together.

    The file has the bytes of the file that the command writes without shards. The shards remain. Relative paths of the
    inputs are those of the command, so the working directory is that of the command.

    Parameters
    ----------
    output
        Path of the complete file, from which the names of the shards follow.
    overwrite
        Whether to replace an existing output.
    advance
        Called with the number of units that were joined since the last call.

    Returns
    -------
    JoinResult

    Raises
    ------
    DataError
        Shards are missing, damaged or of different configurations, or an input is not the one of the shards.
    OutputError
        The output exists or cannot be written.
    """
    return join_shards(find_shards(user_path(output, "output")), overwrite=overwrite, advance=advance)


def join_shards(
    shards: ShardCollection, *, overwrite: bool = False, advance: Callable[[int], None] = lambda _: None
) -> JoinResult:
    """Put shards together that :func:`find_shards` found; see :func:`join`."""
    shards.check_complete()
    work = shards.first.work
    result = _join(shards, overwrite=overwrite, advance=advance)
    warning = result.range_warning if isinstance(result, EncodingSummary) else ""
    return JoinResult(shards.output, work.command, shards.count, work.total, work.unit, warning)


def _join(shards: ShardCollection, *, overwrite: bool, advance: Callable[[int], None]) -> object:
    """Write the file with the function of the command that made the shards, and return its result."""
    joins: dict[str, Callable[..., object]] = {
        GENERATE: join_blocks,
        EXTRACT: join_features,
        ENCODE: join_tokens,
    }
    command = shards.first.work.command
    if command not in joins:
        raise DataError(f"{command!r:.60} is not a command with shards", where=str(shards.output))
    return joins[command](shards, overwrite=overwrite, advance=advance)
