"""Ranges [low, high] of sampled values, uniform in the value or in its logarithm.

This module defines the valid ranges of a configuration file; :mod:`spinlock.operators.sampling` draws values from them.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from pydantic import BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema

Scale = Literal["linear", "log"]


@dataclass(frozen=True)
class Range:
    """Values from ``low`` to ``high``. A range with ``low`` = ``high`` is a fixed value."""

    low: float
    high: float
    scale: Scale = "linear"

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))


def log(low: float, high: float) -> Range:
    """Return a range on a logarithmic scale."""
    return Range(low, high, "log")


MAX_END = 1e6
"""Maximum absolute value of the limits of a range."""


def _read(value: object, scale: Scale, minimum: float, maximum: float = MAX_END) -> Range:
    """Return a range from a list of two numbers; raise a ValueError if they are not within the limits."""
    ends = (value.low, value.high) if isinstance(value, Range) else value
    if not isinstance(ends, list | tuple) or len(ends) != 2:
        raise ValueError("a range has to be a list of two numbers")
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in ends):
        raise ValueError("the ends of a range have to be numbers")
    low, high = (float(end) if abs(end) <= MAX_END else math.nan for end in ends)
    if not (low <= high and minimum <= low and high <= maximum) or (scale == "log" and low <= 0):
        raise ValueError("the ends of the range are outside its limits")
    return Range(low, high, scale)


def _schema(limits_text: str, scale: Scale, **limits: float) -> WithJsonSchema:
    """Return the JSON schema of a range."""
    return WithJsonSchema(
        {
            "type": "array",
            "prefixItems": [{"type": "number", **limits}] * 2,
            "minItems": 2,
            "maxItems": 2,
            "scale": scale,
            "errorMessage": f"[low, high], two numbers {limits_text}with low <= high",
        }
    )


_as_list = PlainSerializer(lambda value: [value.low, value.high], return_type=list)

LinearRange = Annotated[
    InstanceOf[Range],
    BeforeValidator(partial(_read, scale="linear", minimum=-MAX_END)),
    _as_list,
    _schema("from -1e6 to 1e6, ", "linear", minimum=-MAX_END, maximum=MAX_END),
]
"""Uniform range of positive or negative numbers."""

PositiveRange = Annotated[
    InstanceOf[Range],
    BeforeValidator(partial(_read, scale="linear", minimum=0.0)),
    _as_list,
    _schema("from 0 to 1e6, ", "linear", minimum=0, maximum=MAX_END),
]
"""Uniform range of numbers of at least 0."""

FractionRange = Annotated[
    InstanceOf[Range],
    BeforeValidator(partial(_read, scale="linear", minimum=0.0, maximum=1.0)),
    _as_list,
    _schema("from 0 to 1, ", "linear", minimum=0, maximum=1),
]
"""Uniform range of numbers from 0 to 1."""

LogRange = Annotated[
    InstanceOf[Range],
    BeforeValidator(partial(_read, scale="log", minimum=0.0)),
    _as_list,
    _schema("above 0 and at most 1e6, ", "log", exclusiveMinimum=0, maximum=MAX_END),
]
"""Range of positive numbers, uniform in their logarithm."""
