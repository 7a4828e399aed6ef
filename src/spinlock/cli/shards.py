"""The option ``--shard``, and what commands print of shards."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from spinlock.cli.terminal import log, program

if TYPE_CHECKING:
    from spinlock.sharding import Shard
    from spinlock.sharding.collection import ShardCollection

FLAGS = ("--resume", "--overwrite", "--quiet", "--dry-run")
"""Options without a value that do not change the content of the output."""


def shard_of(output: Path, option: str | None) -> Path | Shard:
    """Return the shard that ``--shard``, or else the job array of this process, selects, or the whole output.

    Parameters
    ----------
    output
        Value of ``--output``.
    option
        Value of ``--shard``.

    Raises
    ------
    DataError
        The option or a variable of the job array is wrong, or there are shards with another count than the array has
        tasks.
    """
    from spinlock.sharding.scheduler import array_task
    from spinlock.sharding.shard import parse_label

    if option is not None:
        number, count = parse_label(option, "--shard")
        origin = ""
    elif (task := array_task(os.environ)) is not None:
        number, count, origin = task.number, task.count, f" (from {task.variable}; --shard 1/1 makes the whole file)"
        _check_other_shards(output, number, count)
        if count == 1:
            log(f"the job array has one task, which makes the whole file (from {task.variable}): {output}")
            return output
    else:
        return output
    if count == 1:  # --shard 1/1
        return output
    from spinlock.sharding import Shard

    shard = Shard(output, number, count, ("spinlock", *_words("--shard", *FLAGS)))
    log(f"shard {shard.label} of {output}: {shard.path}{origin}")
    return shard


def path_of(output: Path | Shard) -> Path:
    """Return the file that a command writes."""
    return output if isinstance(output, Path) else output.path


def origin_line() -> str:
    """Return the command line that is stored in a file, without the options on which the content does not depend.

    All shards and the whole file store the same line, so that they can be compared byte for byte.
    """
    return shlex.join(["spinlock", *_words("--shard", "--output", *FLAGS)])


def resume_line(output: Path | Shard) -> str:
    """Return the command that continues an interrupted generation."""
    shard = [] if isinstance(output, Path) else ["--shard", output.label]
    return shlex.join([*program(), *_words("--shard", "--resume"), *shard, "--resume"])


def log_problems(shards: ShardCollection) -> None:
    """Log each missing or damaged shard with the command that makes it."""
    for problem in shards.problems:
        command = f"; make it with: {problem.command}" if problem.command else ""
        log(f"shard {problem.shard.label} has to be made ({problem.reason}){command}")


def _words(*omitted: str) -> list[str]:
    """Return the words of the command line without some options and their values."""
    words, skip = [], False
    for word in sys.argv[1:]:
        if skip:
            skip = False
        elif word in omitted:
            skip = word not in FLAGS
        elif not word.startswith(tuple(f"{option}=" for option in omitted)):
            words.append(word)
    return words


def _check_other_shards(output: Path, number: int, count: int) -> None:
    """Raise an error if there are shards with another count, for example if only some tasks are submitted again."""
    from spinlock.errors import DataError
    from spinlock.sharding.collection import shard_counts

    others = [other for other in shard_counts(output, with_unfinished=True) if other != count]
    if others:
        raise DataError(
            f"this task of the job array would make shard {number}/{count}, but there are shards of {others[0]} parts",
            where=str(output),
            expected=f"an array of {others[0]} tasks",
            remedy=f"pass --shard i/{others[0]}, or delete the shards of {others[0]} parts",
        )
