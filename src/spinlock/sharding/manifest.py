"""The manifest of a shard: what its file contains, on what it depends, and the hash of the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from spinlock.errors import DataError

FORMAT, FORMAT_VERSION = "spinlock shard", 2


@dataclass(frozen=True)
class Work:
    """The part of a command's work that a shard contains.

    Attributes
    ----------
    command
        Name of the command, for example ``encode-to-tokens``.
    unit
        What is divided, for example ``rows``.
    total
        Number of units of the whole output.
    ranges
        Units of this shard, [start, stop) each, ascending.
    identity
        Everything on which the results depend, as JSON values: settings, hashes of the inputs, versions.
    settings
        What the join needs in addition, as JSON values: paths of the inputs and settings of the file.
    command_line
        Words of the command without ``--shard``; empty if Python code made the shard.
    """

    command: str
    unit: str
    total: int
    ranges: list[tuple[int, int]]
    identity: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    command_line: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Number of units of this shard."""
        return sum(stop - start for start, stop in self.ranges)

    def differences(self, identity: Mapping[str, Any]) -> list[str]:
        """Return the keys in which another identity differs."""
        keys = {*self.identity, *identity}
        return sorted(key for key in keys if self.identity.get(key) != identity.get(key))


@dataclass(frozen=True)
class Manifest:
    """The content of a manifest.

    Attributes
    ----------
    shard, shards
        Number of the shard, and number of shards.
    work
        What the file contains.
    summary
        Result of the command for this shard, as JSON values.
    file_bytes, file_sha256
        Size and SHA-256 of the file.
    """

    shard: int
    shards: int
    work: Work
    summary: dict[str, Any]
    file_bytes: int
    file_sha256: str

    def to_json(self) -> bytes:
        """Return the manifest as JSON in UTF-8."""
        content = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(self)}
        return (json.dumps(content, indent=1) + "\n").encode()

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a manifest.

        Raises
        ------
        DataError
            The file cannot be read, or is not a manifest of this version.
        """
        remedy = "make this shard again"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                raise ValueError("another kind of file")
            version = content.pop("format_version")
            if version != FORMAT_VERSION:
                expected = f"version {FORMAT_VERSION}"
                raise DataError(f"has format version {version}", where=str(path), expected=expected, remedy=remedy)
            return TypeAdapter(cls).validate_python(content)
        except (OSError, TypeError, ValueError, AttributeError, KeyError, ValidationError) as error:
            raise DataError("is not a manifest of a shard", where=str(path), remedy=remedy) from error


def ranges_of(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return ascending numbers as ranges [start, stop)."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number:
            ranges[-1] = (ranges[-1][0], number + 1)
        else:
            ranges.append((number, number + 1))
    return ranges
