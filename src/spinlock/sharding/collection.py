"""The shards of an output: which are there, which are missing or damaged, and whether they belong together."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from spinlock.errors import DataError
from spinlock.sharding.manifest import Manifest
from spinlock.sharding.shard import Shard
from spinlock.sharding.writing import file_problem

MAX_NAMED = 100
"""Maximum number of shards that an error message names."""


@dataclass(frozen=True)
class Problem:
    """A shard that has to be made.

    Attributes
    ----------
    shard
        The shard.
    reason
        ``missing``, or why it is damaged.
    command
        The command that makes it, or no text if it is not known.
    """

    shard: Shard
    reason: str
    command: str


@dataclass(frozen=True)
class ShardCollection:
    """The shards of an output.

    Attributes
    ----------
    output
        Path of the complete file.
    count
        Number of shards that the output consists of.
    manifests
        {number: manifest} of the good shards, in ascending order.
    problems
        The other shards.
    """

    output: Path
    count: int
    manifests: dict[int, Manifest]
    problems: tuple[Problem, ...]

    @property
    def first(self) -> Manifest:
        """The manifest of the first good shard, whose settings the joined file has."""
        return next(iter(self.manifests.values()))

    def shards(self) -> Iterator[tuple[Shard, Manifest]]:
        """Yield the good shards with their manifests in ascending order."""
        for number, manifest in self.manifests.items():
            yield Shard(self.output, number, self.count), manifest

    def check_complete(self) -> None:
        """Raise a :class:`DataError` that names missing and damaged shards, or a gap or an overlap of the shards."""
        if self.problems:
            named = ", ".join(
                str(problem.shard.number) + ("" if problem.reason == "missing" else f" ({problem.reason})")
                for problem in self.problems[:MAX_NAMED]
            )
            more = f" and {len(self.problems) - MAX_NAMED} more" if len(self.problems) > MAX_NAMED else ""
            command = self.problems[0].command
            raise DataError(
                f"{len(self.problems)} of {self.count} shards are missing or damaged: {named}{more}",
                where=str(self.output),
                remedy=f"make them, the first one with: {command}" if command else "make them, and join again",
            )
        position = 0
        for start, stop in sorted(pair for manifest in self.manifests.values() for pair in manifest.work.ranges):
            if start != position:
                raise DataError(
                    f"{self.first.work.unit} {min(start, position)} to {max(start, position) - 1} are in "
                    f"{'no shard' if start > position else 'two shards'}",
                    where=str(self.output),
                    remedy="make all shards again with overwrite=True",
                )
            position = stop
        if position != self.first.work.total:
            raise DataError(f"{self.first.work.unit} from {position} are in no shard", where=str(self.output))


def find_shards(output: Path) -> ShardCollection:
    """Find the shards of an output, and check that they belong together.

    Parameters
    ----------
    output
        Path of the complete file.

    Returns
    -------
    ShardCollection

    Raises
    ------
    DataError
        There are no shards, shards with different numbers of parts, or shards of different inputs, settings or
        versions.
    """
    count = _shard_count(output)
    manifests: dict[int, Manifest] = {}
    reasons: dict[int, str] = {}
    for number in range(1, count + 1):
        shard = Shard(output, number, count)
        reason = "missing"
        if shard.manifest_path.exists():
            try:
                manifest = Manifest.read(shard.manifest_path)
                reason = file_problem(shard, manifest)
            except DataError as error:
                reason = f"its manifest {error.what}"
            if not reason:
                manifests[number] = manifest
                continue
        elif shard.path.exists():
            reason = "it has no manifest"
        reasons[number] = reason
    _check_same_work(output, manifests)
    words = next((each.work.command_line for each in manifests.values() if each.work.command_line), [])
    problems = tuple(
        Problem(
            Shard(output, number, count), reason, shlex.join([*words, "--shard", f"{number}/{count}"]) if words else ""
        )
        for number, reason in reasons.items()
    )
    return ShardCollection(output, count, manifests, problems)


def check_same_input(what: str, path: Path, found: str, expected: str) -> None:
    """Raise a :class:`DataError` if an input has another hash than when the shards were made."""
    if found != expected:
        raise DataError(
            f"the {what} is not the one from which the shards were made",
            where=str(path),
            remedy=f"restore the {what}, or make all shards again with overwrite=True",
        )


def shard_counts(output: Path, *, with_unfinished: bool = False) -> list[int]:
    """Return the shard counts n in the names of the shard files of an output, in ascending order.

    ``with_unfinished`` includes shards of ``generate`` that have only a directory of finished blocks.
    """
    suffixes = re.escape(output.suffix) + (r"(\.json|\.parts)?" if with_unfinished else r"(\.json)?")
    pattern = re.compile(re.escape(output.stem) + r"\.shard-(\d+)-of-(\d+)" + suffixes)
    names = [path.name for path in output.parent.iterdir()] if output.parent.is_dir() else []
    return sorted({int(match[2]) for name in names if (match := pattern.fullmatch(name))})


def _shard_count(output: Path) -> int:
    """Return the number of shards of an output."""
    counts = shard_counts(output)
    if not counts:
        raise DataError(
            "has no shards",
            where=str(output),
            remedy="make them with --shard i/n, or in Python with Shard(output, i, n)",
        )
    if len(counts) > 1:
        raise DataError(
            f"has shards of {' and of '.join(map(str, counts))} parts",
            where=str(output),
            expected="one number of parts",
            remedy=f"delete the files {output.stem}.shard-*-of-N{output.suffix}* of the other numbers N",
        )
    return counts[0]


def _check_same_work(output: Path, manifests: dict[int, Manifest]) -> None:
    """Raise a :class:`DataError` unless all shards have the same command, inputs, settings and versions."""
    for number, manifest in manifests.items():
        first_number, first = next(iter(manifests.items()))
        different = first.work.differences(manifest.work.identity)
        if first.work.command != manifest.work.command:
            different = ["command"]
        elif first.work.total != manifest.work.total:
            different.append(first.work.unit)
        if different:
            raise DataError(
                f"shards {first_number} and {number} differ in {', '.join(different)}",
                where=str(output),
                expected="shards of the same inputs, settings and versions",
                remedy="make the shards that differ again with overwrite=True",
            )
