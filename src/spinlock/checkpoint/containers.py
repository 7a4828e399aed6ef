"""Schemas of lists and mappings; see :mod:`spinlock.checkpoint.schema`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spinlock.checkpoint.schema import MAX_DEPTH, Context, Kind, Mismatch, Size, Text, describe
from spinlock.errors import shortened


@dataclass(frozen=True)
class ListOf(Kind):
    """A list of values of one kind, of a fixed length if ``length`` is given, and without repetition if ``unique``."""

    kind: Kind
    length: Size | None = None
    unique: bool = False

    @property
    def expected(self) -> str:
        """Description of a correct value."""
        return f"a list of {self.kind.expected}"

    def check(self, value: Any, context: Context) -> None:
        """Raise a :class:`Mismatch` if a value is not such a list."""
        if type(value) is not list:
            raise self.mismatch_of(value)
        if self.length is not None:
            length = context.size(self.length, len(value))
            if length != len(value):
                raise Mismatch(f"is {describe(value)}", f"a list of {length:,}")
        context.count_checked(len(value))
        for index, item in enumerate(value):
            try:
                self.kind.check(item, context)
            except Mismatch as mismatch:
                raise mismatch.inside(index) from None
        if self.unique and len(set(value)) < len(value):
            raise Mismatch("contains a value twice", "different values")


@dataclass(frozen=True)
class FixedList(Kind):
    """A list of values of given kinds."""

    kinds: tuple[Kind, ...]

    @property
    def expected(self) -> str:
        """Description of a correct value."""
        return f"a list of {', '.join(kind.expected for kind in self.kinds)}"

    def check(self, value: Any, context: Context) -> None:
        """Raise a :class:`Mismatch` if a value is not such a list."""
        if type(value) is not list or len(value) != len(self.kinds):
            raise self.mismatch_of(value)
        for index, (item, kind) in enumerate(zip(value, self.kinds, strict=True)):
            try:
                kind.check(item, context)
            except Mismatch as mismatch:
                raise mismatch.inside(index) from None


@dataclass(frozen=True)
class MapOf(Kind):
    """A mapping with values of one kind and keys of one kind, which are text by default."""

    kind: Kind
    keys: Kind = field(default_factory=Text)

    @property
    def expected(self) -> str:
        """Description of a correct value."""
        return f"a mapping of {self.keys.expected} to {self.kind.expected}"

    def check(self, value: Any, context: Context) -> None:
        """Raise a :class:`Mismatch` if a value is not such a mapping."""
        if type(value) is not dict:
            raise self.mismatch_of(value)
        context.count_checked(len(value))
        for key, item in value.items():
            _check_key(self.keys, key, context)
            try:
                self.kind.check(item, context)
            except Mismatch as mismatch:
                raise mismatch.inside(key) from None


@dataclass(frozen=True)
class FixedMapping(Kind):
    """A mapping with given keys.

    Attributes
    ----------
    fields
        Kinds of the values by key.
    rest
        Kind of the values of further keys; None if no further keys are allowed.
    optional
        Kinds of the values of keys that can be absent.
    """

    fields: Mapping[str, Kind]
    rest: Kind | None = None
    optional: Mapping[str, Kind] = field(default_factory=dict)

    @property
    def expected(self) -> str:
        """Description of a correct value."""
        return f"a mapping with {shortened(', '.join(self.fields))}"

    def check(self, value: Any, context: Context) -> None:
        """Raise a :class:`Mismatch` if a value is not such a mapping."""
        if type(value) is not dict:
            raise self.mismatch_of(value)
        missing = self.fields.keys() - value.keys()
        if missing:
            raise Mismatch(f"lacks {', '.join(sorted(missing))}")
        kinds = {**self.fields, **{key: kind for key, kind in self.optional.items() if key in value}}
        for key in value.keys() - kinds.keys():
            _check_key(Text(), key, context)
            if self.rest is None:
                raise Mismatch(f"contains the unknown key {shortened(key)}")
            kinds[key] = self.rest
        context.count_checked(len(value))
        for key, kind in kinds.items():
            try:
                kind.check(value[key], context)
            except Mismatch as mismatch:
                raise mismatch.inside(key) from None


@dataclass(frozen=True)
class Variants(Kind):
    """A mapping whose key ``tag`` names the fields that it has besides."""

    tag: str
    variants: Mapping[str, Mapping[str, Kind]]

    @property
    def expected(self) -> str:
        """Description of a correct value."""
        return f"a mapping with {self.tag} {' or '.join(self.variants)}"

    def check(self, value: Any, context: Context) -> None:
        """Raise a :class:`Mismatch` if a value is not such a mapping."""
        tag = Text(choices=tuple(self.variants))
        FixedMapping({self.tag: tag}, rest=Anything()).check(value, context)
        FixedMapping({self.tag: tag, **self.variants[value[self.tag]]}).check(value, context)


@dataclass(frozen=True)
class Anything(Kind):
    """Any value."""

    @property
    def expected(self) -> str:
        """Description of a correct value."""
        return "anything"

    def check(self, value: Any, context: Context) -> None:
        """Accept a value."""


def _check_key(kind: Kind, key: Any, context: Context) -> None:
    try:
        kind.check(key, context)
    except Mismatch as mismatch:
        raise Mismatch(f"has a key that {mismatch.problem}", mismatch.expected) from None


@dataclass(frozen=True)
class Plain(Kind):
    """Null, a flag, a number, text, or a list or mapping of these; ``depth`` is the number of nested containers."""

    depth: int = MAX_DEPTH

    @property
    def expected(self) -> str:
        """Description of a correct value."""
        return "numbers, text, and lists and mappings of these" if self.depth else "a number or text"

    def check(self, value: Any, context: Context) -> None:
        """Raise a :class:`Mismatch` if a value contains anything else."""
        if value is None or type(value) in (bool, float):
            return
        inner = Plain(self.depth - 1)
        if type(value) is list and self.depth:
            ListOf(inner).check(value, context)
        elif type(value) is dict and self.depth:
            MapOf(inner).check(value, context)
        elif type(value) is int and value.bit_length() < 64:
            return
        elif type(value) is str:
            Text().check(value, context)
        else:
            raise self.mismatch_of(value)
