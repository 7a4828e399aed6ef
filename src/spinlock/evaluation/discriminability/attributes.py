"""Labels and parameters of the rows, as classes or as numbers.

Letters: ``m`` rows, ``N`` operators.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_INTEGER_CLASSES = 50
"""Maximum number of distinct integers that are classes; with more of them, the attribute is a number."""

MISSING_TEXT = {"", "nan", "none", "null", "n/a", "na"}
"""Texts, in lower case, that count as missing."""

MIN_ROWS = 20
"""Minimum number of rows with a value."""

MIN_CLASS_ROWS = 2
"""Minimum number of rows of a class; rows of rarer classes are left out."""

MISSING = -1
"""Class of a row without a value."""


@dataclass(frozen=True, eq=False)
class Attribute:
    """A label or a parameter of m rows.

    Attributes
    ----------
    name
        Name.
    is_parameter
        Whether it is a parameter of the operator rather than a label.
    classes
        Names of the classes; empty for numbers.
    codes
        Class [m] of each row, or :data:`MISSING`; the bin of a number.
    numbers
        Values [m], NaN where missing; empty for classes.
    """

    name: str
    is_parameter: bool
    classes: tuple[str, ...]
    codes: NDArray[np.int64]
    numbers: NDArray[np.float64]

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers rather than classes."""
        return len(self.classes) == 0

    @property
    def present(self) -> NDArray[np.bool_]:
        """Mask [m] of the rows that have a value."""
        mask: NDArray[np.bool_] = self.codes != MISSING
        return mask

    def first(self, count: int) -> Attribute:
        """Return the attribute of the first rows."""
        return replace(self, codes=self.codes[:count], numbers=self.numbers[:count])


BINS = 8
"""Number of bins, with equally many rows each, of a number for its mutual information."""


def make_attribute(name: str, values: NDArray[Any], *, is_parameter: bool = False) -> Attribute | str:
    """Return an attribute, or the reason why it cannot be measured.

    Text, truth values and at most 50 distinct integers are classes. Other numbers are numbers. Values of mixed types
    are classes by their text. NaN, empty text and words such as ``nan`` are missing.

    Parameters
    ----------
    name
        Name.
    values
        Values [m].
    is_parameter
        Whether it is a parameter of the operator.

    Returns
    -------
    Attribute or str
    """
    numbers = _numbers(values)
    if numbers is None:
        return _classes(name, [_text(value) for value in values.tolist()], is_parameter)
    present = np.isfinite(numbers)
    distinct = np.unique(numbers[present])
    integers = bool((distinct == np.round(distinct)).all())
    if integers and len(distinct) <= MAX_INTEGER_CLASSES:
        return _classes(name, [f"{value:g}" if np.isfinite(value) else "" for value in numbers], is_parameter)
    if present.sum() < MIN_ROWS:
        return f"only {int(present.sum())} rows have a value"
    edges = np.unique(np.quantile(numbers[present], np.linspace(0, 1, BINS + 1)[1:-1]))
    codes = np.where(present, np.searchsorted(edges, numbers, side="right"), MISSING)
    return Attribute(name, is_parameter, (), codes.astype(np.int64), np.where(present, numbers, np.nan))


def make_attributes(
    labels: Mapping[str, NDArray[Any]], parameters: Mapping[str, NDArray[Any]], num_evaluated: int, limit: int
) -> tuple[list[Attribute], dict[str, str]]:
    """Return the attributes that can be measured, and the reasons why others cannot.

    Parameters
    ----------
    labels, parameters
        {name: values [m]}.
    num_evaluated
        Number of the first rows that are evaluated; they need enough values for the probes.
    limit
        Maximum number of attributes. Labels come first, and parameters with more values come before those with fewer.

    Returns
    -------
    attributes : list of Attribute
    skipped : dict
        {name: reason}.
    """
    attributes, skipped = [], {}
    for group, is_parameter in ((labels, False), (parameters, True)):
        for name, values in group.items():
            made = make_attribute(name, values, is_parameter=is_parameter)
            reason = made if isinstance(made, str) else _shortage(made.first(num_evaluated))
            if reason or isinstance(made, str):
                skipped[name] = reason
            else:
                attributes.append(made)
    attributes.sort(
        key=lambda attribute: (attribute.is_parameter, -int(attribute.present.sum()) * attribute.is_parameter)
    )
    for attribute in attributes[limit:]:
        skipped[attribute.name] = f"only {limit} are measured unless labels are named"
    return attributes[:limit], skipped


def _shortage(attribute: Attribute) -> str:
    """Return why the rows are not enough for probes; empty if they are."""
    rows = int(attribute.present.sum())
    if rows < MIN_ROWS:
        return f"only {rows} of the evaluated rows have a value"
    values = len(np.unique(attribute.codes[attribute.present]))
    if values < 2:
        return "all evaluated rows have the same value"
    if not attribute.is_numeric and rows < MIN_CLASS_ROWS * values:
        return f"{rows} evaluated rows with {values} classes are too few for probes"
    return ""


def _classes(name: str, texts: list[str], is_parameter: bool) -> Attribute | str:
    """Return an attribute of classes; classes of fewer than two rows count as missing."""
    values = np.array(texts, dtype=object)
    missing = np.array([text.lower() in MISSING_TEXT for text in texts], dtype=bool)
    names, counts = np.unique(values[~missing].astype(str), return_counts=True)
    frequent = names[counts >= MIN_CLASS_ROWS]
    code_of = {str(value): code for code, value in enumerate(frequent)}
    codes = np.array(
        [MISSING if absent else code_of.get(text, MISSING) for text, absent in zip(texts, missing, strict=True)]
    )
    rows = int((codes != MISSING).sum())
    if len(names) < 2:
        return "all rows have the same value" if len(names) else "no row has a value"
    if len(frequent) < 2:
        return "almost every row has its own value"
    if rows < MIN_ROWS:
        return f"only {rows} rows have a value that another row has too"
    return Attribute(name, is_parameter, tuple(code_of), codes.astype(np.int64), np.empty(0))


def _numbers(values: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return values as float64, or None if one of them is neither a number nor missing."""
    if values.dtype.kind in "biuf":
        return values.astype(np.float64)
    numbers = []
    for value in values.tolist():
        if isinstance(value, int | float):
            numbers.append(float(value))
        elif value is None or _text(value).lower() in MISSING_TEXT:
            numbers.append(np.nan)
        else:
            return None
    return np.array(numbers, dtype=np.float64)


def _text(value: Any) -> str:
    """Return a value as text; a number is written as briefly as possible."""
    if isinstance(value, bytes):
        return value.decode(errors="replace").strip()
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value).strip()
