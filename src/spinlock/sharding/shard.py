"""The name of a shard: part i of the n parts of an output."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from spinlock.arguments import checked_integer
from spinlock.errors import DataError
from spinlock.paths import user_path

MAX_SHARDS = 1_000_000
"""Maximum number of shards of an output."""


@dataclass(frozen=True)
class Shard:
    """Part ``number`` of the ``count`` parts of an output.

    The commands and functions that accept a shard in place of an output compute this part alone. ``spinlock join`` and
    :func:`spinlock.join` put the parts together.

    Parameters
    ----------
    output
        Path of the complete file.
    number
        Number of the part, 1 to ``count``.
    count
        Number of parts.
    command
        Words of the command that makes the parts, without its option ``--shard``. The join names it if a part is
        missing.

    Raises
    ------
    DataError
        A number is not an integer or outside its range, or ``output`` is not a path.

    Examples
    --------
    >>> Shard("tokens.h5", 3, 7).path.name
    'tokens.shard-3-of-7.h5'
    """

    output: Path
    number: int
    count: int
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "output", user_path(self.output, "output"))
        count = checked_integer("the number of shards", self.count, minimum=1, maximum=MAX_SHARDS)
        object.__setattr__(self, "count", count)
        number = checked_integer("the number of a shard", self.number, minimum=1, maximum=count)
        object.__setattr__(self, "number", number)

    @property
    def label(self) -> str:
        """The part as on the command line, for example ``3/7``."""
        return f"{self.number}/{self.count}"

    @property
    def path(self) -> Path:
        """The file of the shard, beside the output."""
        name = f"{self.output.stem}.shard-{self.number}-of-{self.count}{self.output.suffix}"
        return self.output.with_name(name)

    @property
    def manifest_path(self) -> Path:
        """The manifest of the shard, beside its file."""
        return self.path.with_name(f"{self.path.name}.json")

    def rows(self, total: int, unit: str) -> range:
        """Return the positions of this part of ``total`` rows; the parts are contiguous and differ by at most one row.

        Raises
        ------
        DataError
            There are more shards than rows.
        """
        self.check_count(total, unit)
        return range(total * (self.number - 1) // self.count, total * self.number // self.count)

    def check_count(self, total: int, unit: str) -> None:
        """Raise a :class:`DataError` if there are more shards than ``total`` rows; ``unit`` names the rows."""
        if self.count > total:
            raise DataError(
                f"the shard is {self.label}, but there are {total} {unit}",
                where=str(self.output),
                expected=f"at most {total} shards",
                remedy=f"use fewer shards, for example 1/{total}",
            )


def output_and_shard(output: object) -> tuple[Path, Shard | None]:
    """Return the file to write, and the shard that it is, or None for a complete output.

    ``Shard(output, 1, 1)`` is the complete output.
    """
    if not isinstance(output, Shard):
        return user_path(output, "output"), None
    return (output.output, None) if output.count == 1 else (output.path, output)


_LABEL = re.compile(r"\s*([+-]?\d+)\s*/\s*([+-]?\d+)\s*")


def parse_label(text: str, name: str) -> tuple[int, int]:
    """Return the number and the count of a text such as ``3/7``.

    Parameters
    ----------
    text
        The text.
    name
        Name of the option, for the error message.

    Raises
    ------
    DataError
        The text has another form, or the number is not in 1 to count.
    """
    match = _LABEL.fullmatch(text)
    number, count = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= number <= count <= MAX_SHARDS:
        raise DataError(
            f"{name} is {text!r:.60}",
            expected=f"i/n with whole numbers 1 <= i <= n <= {MAX_SHARDS}",
            remedy=f"pass for example {name} 3/7, or {name} 1/1 for the whole file",
        )
    return number, count
