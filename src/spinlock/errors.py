"""What can go wrong outside the program's own logic: each error says what, where, what was expected, and the remedy.

The command line prints the message of a :class:`SpinlockError` as one line and exits with code 1; anything else is a
defect of the program and keeps its traceback.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class SpinlockError(Exception):
    """An input, a value or the run is at fault.

    ``what`` says what is wrong and what was found, ``where`` names the file, key or column, ``expected`` what would
    have been right and ``remedy`` how to mend it. The parts are joined to one line.
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
    """A configuration file, a flag or a ``--set`` value is at fault; ``problems`` holds one line for each fault."""

    def __init__(self, problems: list[str], *, where: str) -> None:
        self.problems = problems
        what = (
            problems[0] if len(problems) == 1 else f"{len(problems)} problems" + "".join(f"\n  {p}" for p in problems)
        )
        super().__init__(what, where=where)


class DataError(SpinlockError):
    """A dataset, a mapping file or a table of features is at fault."""


class CheckpointError(SpinlockError):
    """A checkpoint cannot be read, or does not fit what it is used with."""


@contextmanager
def located(where: object) -> Iterator[None]:
    """Name the place of a :class:`DataError` that passes through and does not know its own."""
    try:
        yield
    except DataError as error:
        if error.where:
            raise
        raise DataError(error.what, where=str(where), expected=error.expected, remedy=error.remedy) from error


class OutputError(SpinlockError):
    """A target exists already or cannot be written."""


class RunError(SpinlockError):
    """The run itself cannot go on: out of device memory, a loss that is no longer finite."""
