"""Ranges of sampled values, [low, high] in a file: uniform in the value, or in its logarithm.

``sampling`` maps the unit interval onto them; here is only what a file may say.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

from pydantic import BeforeValidator, InstanceOf, PlainSerializer, WithJsonSchema

Scale = Literal["linear", "log"]


@dataclass(frozen=True)
class Range:
    """Values from ``low`` to ``high``; equal ends are one fixed value."""

    low: float
    high: float
    scale: Scale = "linear"

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))


def log(low: float, high: float) -> Range:
    """A range on a logarithmic scale."""
    return Range(low, high, "log")


MAX_END = 1e6
"""No end of a range is further from 0: beyond it float32 fields mean nothing."""


def _read(value: object, scale: Scale, least: float, most: float = MAX_END) -> Range:
    ends = (value.low, value.high) if isinstance(value, Range) else value
    if not isinstance(ends, list | tuple) or len(ends) != 2:
        raise ValueError("a range is a list of two numbers")
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in ends):
        raise ValueError("the ends of a range are numbers")
    low, high = (float(end) if abs(end) <= MAX_END else math.nan for end in ends)
    if not (low <= high and least <= low and high <= most) or (scale == "log" and low <= 0):
        raise ValueError("the ends of the range are impossible")
    return Range(low, high, scale)


def _schema(words: str, scale: Scale, **limits: float) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "type": "array",
            "prefixItems": [{"type": "number", **limits}] * 2,
            "minItems": 2,
            "maxItems": 2,
            "scale": scale,
            "errorMessage": f"[low, high], two numbers {words}with low <= high",
        }
    )


_as_list = PlainSerializer(lambda value: [value.low, value.high], return_type=list)

LinearRange = Annotated[
    InstanceOf[Range],
    BeforeValidator(partial(_read, scale="linear", least=-MAX_END)),
    _as_list,
    _schema("from -1e6 to 1e6, ", "linear", minimum=-MAX_END, maximum=MAX_END),
]
"""Numbers of either sign, uniform."""

PositiveRange = Annotated[
    InstanceOf[Range],
    BeforeValidator(partial(_read, scale="linear", least=0.0)),
    _as_list,
    _schema("from 0 to 1e6, ", "linear", minimum=0, maximum=MAX_END),
]
"""Numbers of at least 0, uniform."""

ShareRange = Annotated[
    InstanceOf[Range],
    BeforeValidator(partial(_read, scale="linear", least=0.0, most=1.0)),
    _as_list,
    _schema("from 0 to 1, ", "linear", minimum=0, maximum=1),
]
"""Shares, uniform."""

LogRange = Annotated[
    InstanceOf[Range],
    BeforeValidator(partial(_read, scale="log", least=0.0)),
    _as_list,
    _schema("above 0 and at most 1e6, ", "log", exclusiveMinimum=0, maximum=MAX_END),
]
"""Numbers above 0, uniform in their logarithm."""
