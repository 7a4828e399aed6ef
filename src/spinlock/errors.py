"""Errors in the input, the configuration, the output or a run. Each has a message of one line.

A message states what is wrong, where, what was expected, and how to correct it. The command line prints the message of
a :class:`SpinlockError` and exits with code 1. Any other exception is a bug of the program.
"""

from collections.abc import Iterator
from contextlib import contextmanager

MAX_SHOWN_LENGTH = 60
"""Maximum number of characters of a value or name in a message."""

MAX_SHOWN_PROBLEMS = 20
"""Maximum number of problems that a message lists."""


def shortened(text: str, limit: int = MAX_SHOWN_LENGTH) -> str:
    """Return a text for a message: at most ``limit`` characters, of which the last ones are then an ellipsis."""
    return text if len(text) <= limit else text[: limit - 4] + " ..."


class SpinlockError(Exception):
    """Base class of all errors that are not bugs of the program.

    Parameters
    ----------
    what
        What is wrong, with the invalid value.
    where
        File, key or column.
    expected
        What would be correct.
    remedy
        How to correct it.
    """

    def __init__(self, what: str, *, where: str = "", expected: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.expected = expected
        self.remedy = remedy
        head = f"{where}: {what}" if where else what
        tail = [f"expected {expected}"] if expected else []
        tail += [remedy] if remedy else []
        super().__init__("; ".join([head, *tail]))


class ConfigError(SpinlockError):
    """A configuration file, an option or a ``--set`` value is wrong.

    Parameters
    ----------
    problems
        One line for each problem. The message lists the first :data:`MAX_SHOWN_PROBLEMS` of them.
    where
        The configuration file, or the command line.
    """

    def __init__(self, problems: list[str], *, where: str) -> None:
        self.problems = problems
        listing = "".join(f"\n  {problem}" for problem in problems[:MAX_SHOWN_PROBLEMS])
        if len(problems) > MAX_SHOWN_PROBLEMS:
            listing += f"\n  and {len(problems) - MAX_SHOWN_PROBLEMS:,} more"
        what = problems[0] if len(problems) == 1 else f"{len(problems)} problems{listing}"
        super().__init__(what, where=where)


class DataError(SpinlockError):
    """A dataset, a mapping file or a feature table is wrong."""


class CheckpointError(SpinlockError):
    """A checkpoint cannot be read, or does not match its use."""


class OutputError(SpinlockError):
    """An output exists already or cannot be written."""


class RunError(SpinlockError):
    """A run cannot continue, for example because the device is out of memory or the loss is not finite."""


@contextmanager
def located(where: object) -> Iterator[None]:
    """Add a place to a :class:`DataError` that is raised in a ``with`` block and has no place yet."""
    try:
        yield
    except DataError as error:
        if error.where:
            raise
        raise DataError(error.what, where=str(where), expected=error.expected, remedy=error.remedy) from error
