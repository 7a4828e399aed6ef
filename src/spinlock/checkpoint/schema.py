"""Schemas of nested data: the kind of each value, and where the data differ from it.

A size can be a letter, which stands for the same number wherever it occurs: the first list or tensor with this letter
determines it. A schema is a tree of :class:`Kind` objects, and :func:`check` compares data with it.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from spinlock.errors import shortened

Size = int | str
"""A number, or the letter of a number."""

MAX_VALUES = 5_000_000
"""Maximum number of values that are checked. Data in which lists share their elements could have exponentially many."""

MAX_INTEGER = 2**63 - 1
MAX_DEPTH = 6
"""Maximum depth of data of the kind :class:`Plain`."""


class Mismatch(Exception):  # noqa: N818 (it is converted to an error with the path of a file)
    """A value differs from its schema.

    Attributes
    ----------
    place
        Keys and indices of the value, such as ``model_spec.groups[0]``.
    problem
        What the value is, as the rest of a sentence that begins with the place.
    expected
        What would have been correct.
    """

    def __init__(self, problem: str, expected: str = "", place: str = "") -> None:
        super().__init__(place, problem, expected)
        self.problem = problem
        self.expected = expected
        self.place = place

    def inside(self, key: Any) -> Mismatch:
        """Return the mismatch of the container that holds the value under a key or an index."""
        name = f"[{key}]" if isinstance(key, int) else shortened(str(key))
        separator = "" if not self.place or self.place.startswith("[") else "."
        return Mismatch(self.problem, self.expected, f"{name}{separator}{self.place}")


@dataclass
class Context:
    """State of a check: the sizes by letter, and the number of values that may still be checked."""

    sizes: dict[str, int] = field(default_factory=dict)
    remaining: int = field(default_factory=lambda: MAX_VALUES)

    def count_checked(self, values: int) -> None:
        """Count checked values, and raise a :class:`Mismatch` if they are too many."""
        self.remaining -= values
        if self.remaining < 0:
            raise Mismatch(f"contains more than {MAX_VALUES:,} values")

    def size(self, size: Size, actual: int) -> int:
        """Return the expected size. An unknown letter gets the actual size."""
        return size if isinstance(size, int) else self.sizes.setdefault(size, actual)


def check(value: Any, kind: Kind, sizes: Mapping[str, int] | None = None) -> dict[str, int]:
    """Compare data with a schema.

    Parameters
    ----------
    value, kind
        Data and their schema.
    sizes
        Sizes by letter that are known before.

    Returns
    -------
    dict
        Sizes by letter.

    Raises
    ------
    Mismatch
        A value differs from its schema.
    """
    context = Context(dict(sizes or {}))
    kind.check(value, context)
    return context.sizes


def describe(value: Any) -> str:
    """Return a short description of a value for a message."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() if value.bit_length() > 64:
            return f"an integer of {value.bit_length()} bits"
        case int() | float() | str():
            return shortened(repr(value))
        case list() | tuple():
            return f"a list of {len(value):,}"
        case dict():
            return f"a mapping of {len(value):,} keys"
        case Tensor():
            return f"a tensor {_dtype_name(value.dtype)} {list(value.shape)}"
    return f"of the type {type(value).__name__}"


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


class Kind(ABC):
    """Kind of a value."""

    @property
    @abstractmethod
    def expected(self) -> str:
        """Description of a correct value."""

    @abstractmethod
    def check(self, value: Any, context: Context) -> None:
        """Raise a :class:`Mismatch` if a value is not of this kind."""

    def mismatch_of(self, value: Any) -> Mismatch:
        """Return the mismatch of a value that is not of this kind."""
        return Mismatch(f"is {describe(value)}", self.expected)


@dataclass(frozen=True)
class Integer(Kind):
    """An integer from ``minimum`` to ``maximum``."""

    minimum: int = 0
    maximum: int = MAX_INTEGER

    @property
    def expected(self) -> str:
        """Description of a correct value."""
        limit = f" and at most {self.maximum}" if self.maximum < MAX_INTEGER else ""
        return f"an integer of at least {self.minimum}{limit}"

    def check(self, value: Any, context: Context) -> None:
        """Raise a :class:`Mismatch` if a value is not such an integer."""
        if type(value) is not int or not self.minimum <= value <= self.maximum:
            raise self.mismatch_of(value)


@dataclass(frozen=True)
class Number(Kind):
    """An integer or a floating-point number, which is finite unless ``finite`` is False."""

    finite: bool = True

    @property
    def expected(self) -> str:
        """Description of a correct value."""
        return "a finite number" if self.finite else "a number"

    def check(self, value: Any, context: Context) -> None:
        """Raise a :class:`Mismatch` if a value is not such a number."""
        if type(value) is int and abs(value) <= MAX_INTEGER:
            return
        if type(value) is not float or (self.finite and not math.isfinite(value)):
            raise self.mismatch_of(value)


@dataclass(frozen=True)
class Flag(Kind):
    """True or false."""

    @property
    def expected(self) -> str:
        """Description of a correct value."""
        return "true or false"

    def check(self, value: Any, context: Context) -> None:
        """Raise a :class:`Mismatch` if a value is neither true nor false."""
        if type(value) is not bool:
            raise self.mismatch_of(value)


@dataclass(frozen=True)
class Text(Kind):
    """Text that is one of ``choices`` or matches a regular expression, if these are given."""

    choices: tuple[str, ...] = ()
    pattern: str = ""

    @property
    def expected(self) -> str:
        """Description of a correct value."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return f"text of the form {self.pattern}" if self.pattern else "text"

    def check(self, value: Any, context: Context) -> None:
        """Raise a :class:`Mismatch` if a value is not such text, or cannot be written as UTF-8."""
        if type(value) is not str or (self.choices and value not in self.choices):
            raise self.mismatch_of(value)
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise self.mismatch_of(value)
        if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise Mismatch(f"is {shortened(ascii(value))}", "text that can be written as UTF-8")


@dataclass(frozen=True)
class Nullable(Kind):
    """A value of another kind, or null."""

    kind: Kind

    @property
    def expected(self) -> str:
        """Description of a correct value."""
        return f"{self.kind.expected} or null"

    def check(self, value: Any, context: Context) -> None:
        """Raise a :class:`Mismatch` if a value is neither null nor of the kind."""
        if value is None:
            return
        try:
            self.kind.check(value, context)
        except Mismatch as mismatch:
            raise self.mismatch_of(value) if not mismatch.place else mismatch from None
