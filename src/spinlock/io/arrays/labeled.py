"""Columns of an ``xarray.DataArray``, whose names are a coordinate of one of its dimensions.

Letters: ``D`` columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinlock.errors import DataError
from spinlock.io.arrays.named_columns import NamedColumns
from spinlock.io.arrays.numbers import real_numbers
from spinlock.io.names import join_names


@dataclass(frozen=True)
class _Labels:
    """A coordinate of one dimension; only its own coordinate, the index, has the name of the dimension."""

    name: str
    dimension: Any
    values: tuple[str, ...]
    is_text: bool

    @property
    def is_index(self) -> bool:
        return self.name == str(self.dimension)


def labeled_columns(features: Any, expected: Sequence[str] | None) -> NamedColumns | None:
    """Return the columns of an ``xarray.DataArray``, or None if its columns have no names.

    Parameters
    ----------
    features
        An array of two or three dimensions with coordinates.
    expected
        Names [D] of the model. The columns are the dimension with a coordinate that contains all of them. Without
        expected names, or if no coordinate contains them, the names are a coordinate of the last dimension.

    Raises
    ------
    DataError
        More than one dimension, or more than one coordinate of a dimension, could contain the names.
    """
    if hasattr(features, "data_vars"):
        raise DataError(
            f"features are a {type(features).__name__} of {len(features.data_vars)} variables",
            expected="one table",
            remedy="pass one of its variables, or dataset.to_dataframe()",
        )
    if not features.dims:
        return None
    labels = _all_labels(features)
    chosen = _with_names(labels, expected, features) or _of_last_dimension(labels, expected, features)
    if chosen is None:
        return None
    axis = features.dims.index(chosen.dimension)
    values = np.moveaxis(real_numbers(features, "features"), axis, -1)
    return NamedColumns(list(chosen.values), lambda j: values[..., j])


def _all_labels(features: Any) -> list[_Labels]:
    """Return all coordinates of one dimension. Text that repeats is no name, unless it is the index."""
    found = []
    for key, coordinate in features.coords.items():
        if len(coordinate.dims) != 1:
            continue
        cells = np.asarray(coordinate.values)
        values = cells.tolist() if cells.dtype.kind != "O" else list(cells)
        names = tuple(str(value) for value in values)
        labels = _Labels(str(key), coordinate.dims[0], names, all(isinstance(value, str) for value in values))
        if labels.is_index or len(set(names)) == len(names):
            found.append(labels)
    return found


def _with_names(labels: list[_Labels], expected: Sequence[str] | None, features: Any) -> _Labels | None:
    """Return the labels that contain all expected names, or else the text labels that contain some of them."""
    if not expected:
        return None
    names = set(expected)
    found = [each for each in labels if names <= set(each.values)]
    if not all(each.is_text for each in found):  # row numbers can contain numbered names
        found = [each for each in found if each.dimension == features.dims[-1]] or found
    found = found or [each for each in labels if each.is_text and names & set(each.values)]
    return _only(found)


def _of_last_dimension(labels: list[_Labels], expected: Sequence[str] | None, features: Any) -> _Labels | None:
    """Return the text labels of the last dimension, or else its index; names elsewhere are ambiguous."""
    last = features.dims[-1]
    text = [each for each in labels if each.is_text]
    found = [each for each in text if each.dimension == last]
    found = [each for each in found if each.is_index] or found
    if found:
        return _only(found)
    others = [each for each in text if expected is None or len(each.values) == len(expected)]
    if others:
        name = others[0].dimension
        raise DataError(
            f"the dimension {name} has labels of text, and the last dimension {last} has none",
            expected="the names of the columns as a coordinate of the last dimension",
            remedy=f"transpose the array with .transpose(..., {str(name)!r}), or remove the labels of rows",
        )
    return next((each for each in labels if each.is_index and each.dimension == last), None)


def _only(found: list[_Labels]) -> _Labels | None:
    """Return the only labels, or one of several that are equal."""
    if len({(each.dimension, each.values) for each in found}) > 1:
        raise DataError(
            f"the coordinates {join_names([each.name for each in found])} could all name the columns",
            expected="one coordinate with the names",
            remedy="remove the others with .drop_vars",
        )
    return found[0] if found else None
