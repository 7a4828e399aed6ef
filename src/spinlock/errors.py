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
    """Return a text of at most ``limit`` characters; a longer text is cut and ends with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 4] + " ..."


MAX_PART_LENGTH = 2000
"""Maximum number of characters of one part of a message, such as the path of a file."""

MAX_ERROR_LENGTH = 200
"""Maximum number of characters of the error of another library in a message."""


def printable(text: str) -> str:
    """Return a text in one line, with line breaks, control characters and lone surrogates escaped as in Python."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def error_line(error: BaseException) -> str:
    """Return the type and the first line of the message of an error of another library, for a message of one line."""
    lines = str(error).strip().splitlines()
    return shortened(f"{type(error).__name__}{f': {lines[0]}' if lines else ''}", MAX_ERROR_LENGTH)


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
        head = f"{_part(where)}: {_part(what)}" if where else _part(what)
        tail = [f"expected {_part(expected)}"] if expected else []
        tail += [_part(remedy)] if remedy else []
        super().__init__("; ".join([head, *tail]))


class SpinlockWarning(UserWarning):
    """A result is doubtful, for example because the features are in other units than those of the training rows."""


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
        super().__init__(problems[0] if len(problems) == 1 else f"{len(problems)} problems", where=where)
        if len(problems) > 1:
            lines = [_part(problem) for problem in problems[:MAX_SHOWN_PROBLEMS]]
            if len(problems) > MAX_SHOWN_PROBLEMS:
                lines.append(f"and {len(problems) - MAX_SHOWN_PROBLEMS:,} more")
            self.args = ("\n  ".join([str(self), *lines]),)


class DataError(SpinlockError):
    """A dataset, a mapping file or a feature table is wrong."""


class CheckpointError(SpinlockError):
    """A checkpoint cannot be read, or does not match its use."""


class OutputError(SpinlockError):
    """An output exists already or cannot be written."""


class RunError(SpinlockError):
    """A run cannot continue, for example because the device is out of memory or the loss is not finite."""


def _part(text: str) -> str:
    """Return a part of a message in one line of limited length."""
    return shortened(printable(text), MAX_PART_LENGTH)


@contextmanager
def located(where: object) -> Iterator[None]:
    """Add a place to a :class:`DataError` that is raised in a ``with`` block and has no place yet."""
    try:
        yield
    except DataError as error:
        if error.where:
            raise
        raise DataError(error.what, where=str(where), expected=error.expected, remedy=error.remedy) from error
