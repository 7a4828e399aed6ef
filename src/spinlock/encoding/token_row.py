"""One row of a token file: its tokens, the typical feature values that they stand for, and its nearest rows.

Letters: ``N`` operators, ``n`` rows of a block, ``C`` categories, ``L`` levels, ``U`` kept columns.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.encoding.decode_file import check_model, column_order
from spinlock.encoding.row_codec import RowCodec
from spinlock.errors import DataError
from spinlock.io.annotations import label_names, read_label
from spinlock.io.inputs.file import InputFile
from spinlock.io.token_layout import ROW_QUALITIES
from spinlock.io.tokens import TokenFile
from spinlock.model import LEVELS
from spinlock.model.codec import BLOCK, JointCodec

MAX_NEIGHBORS = 10
"""Number of nearest rows, unless the file has fewer rows."""

MAX_FEATURES = 3
"""Number of features of each category."""

Distances = NDArray[np.float64]


@dataclass(frozen=True)
class TypicalValue:
    """The value of a feature that is decoded from the tokens of a row.

    Attributes
    ----------
    category, feature
        Names of the category and of the column.
    value
        Value in raw units, decoded from all levels.
    z_scores
        Deviation from the training mean in training standard deviations, decoded from the first 1, 2 and 3 levels.
    """

    category: str
    feature: str
    value: float
    z_scores: tuple[float, ...]


@dataclass(frozen=True)
class RowPlace:
    """A row of a token file and its operator, with its side of the split (``train`` etc.) and its readable labels."""

    row: int
    operator: int
    split: str
    labels: dict[str, str]


@dataclass(frozen=True)
class NearestTokenRow:
    """One of the nearest rows: its ``place``, its ``distance``, and the number of tokens that are equal."""

    place: RowPlace
    distance: float
    num_equal: int


@dataclass(frozen=True)
class TokenRow:
    """What a token file says about one row.

    Attributes
    ----------
    place
        The row.
    quality
        {name: value} of the qualities of the row; see :data:`spinlock.io.token_layout.ROW_QUALITIES`.
    codes
        {category: (code, size of the codebook) of each level}.
    typical
        For each category the features with the largest absolute z-scores; empty without a model.
    distance_kind
        What the distances are: ``quantized latents`` (Euclidean), ``decoded rows`` (Euclidean, for joint tokens), or
        ``different tokens`` (their number, without a model).
    mean_distance
        Mean distance to all other rows of the file.
    nearest
        The nearest other rows, nearest first; rows at the same distance are in the order of the file.
    """

    place: RowPlace
    quality: dict[str, float]
    codes: dict[str, tuple[tuple[int, int], ...]]
    typical: tuple[TypicalValue, ...]
    distance_kind: str
    mean_distance: float
    nearest: tuple[NearestTokenRow, ...]


def describe_row(
    source: TokenFile, row: int, codec: RowCodec | None = None, advance: Callable[[int], None] = lambda rows: None
) -> TokenRow:
    """Describe one row of a token file. All rows are read in blocks to find the nearest ones.

    Parameters
    ----------
    source
        Open token file.
    row
        Position of the flattened row, at least 0 and below ``source.num_rows``.
    codec
        The model that encoded the file. Without it there are no typical values, and rows are near if they have many
        equal tokens.
    advance
        Called after each block with its number of rows.

    Raises
    ------
    DataError
        Tokens cannot be read, or the model is not that of the file.
    """
    tokens = source.read(row, row + 1)
    typical: tuple[TypicalValue, ...] = ()
    if codec is None:
        distances, kind = _different_tokens(tokens), "different tokens"
    else:
        check_model(source, codec.checkpoint, source.path)
        order = column_order(source.columns, codec.checkpoint, source.path)
        distances = _model_distances(codec, order, tokens)
        kind = "decoded rows" if isinstance(codec.codec, JointCodec) else "quantized latents"
        typical = _typical_values(codec, _triples(tokens, order))
    nearest, values, equal, mean = _nearest_rows(source, row, tokens, distances, advance)
    place, *places = _places(source, [row, *nearest.tolist()])
    per_operator = source.num_rows // source.shape[0]
    qualities = {name: source.row_quality(name).reshape(source.shape[0], per_operator) for name in ROW_QUALITIES}
    return TokenRow(
        place=place,
        quality={name: float(each[divmod(row, per_operator)]) for name, each in qualities.items()},
        codes=_codes(source, tokens[0].tolist()),
        typical=typical,
        distance_kind=kind,
        mean_distance=mean,
        nearest=tuple(map(NearestTokenRow, places, values.tolist(), equal.tolist())),
    )


def _triples(tokens: NDArray[np.int64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return tokens [n, C, L] in the order of the model, from token columns [n, 3C] in the order of the file."""
    return tokens[:, order].reshape(len(tokens), -1, LEVELS)


def _different_tokens(tokens: NDArray[np.int64]) -> Callable[[NDArray[np.int64]], Distances]:
    """Return the function from a block of tokens [n, 3C] to the numbers [n] of those that differ from ``tokens``."""
    return lambda block: (block != tokens).sum(1).astype(np.float64)


def _model_distances(
    codec: RowCodec, order: NDArray[np.int64], tokens: NDArray[np.int64]
) -> Callable[[NDArray[np.int64]], Distances]:
    """Return the function from a block of tokens [n, 3C] to their distances [n] from ``tokens`` in token space."""
    center = codec.distance_points(_triples(tokens, order)).astype(np.float64)
    return lambda block: np.sqrt(np.square(codec.distance_points(_triples(block, order)) - center).sum(1))


def _nearest_rows(
    source: TokenFile,
    row: int,
    tokens: NDArray[np.int64],
    distances: Callable[[NDArray[np.int64]], Distances],
    advance: Callable[[int], None],
) -> tuple[NDArray[np.int64], Distances, NDArray[np.int64], float]:
    """Return positions, distances and numbers of equal tokens of the nearest rows, and the mean distance."""
    rows, values, equal = np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64)
    total = 0.0
    for start, block in source.blocks(BLOCK):
        others = np.arange(start, start + len(block)) != row
        measured = distances(block)[others]
        total += float(measured.sum())
        rows = np.append(rows, start + np.flatnonzero(others))
        values, equal = np.append(values, measured), np.append(equal, (block[others] == tokens).sum(1))
        best = np.argsort(values, kind="stable")[:MAX_NEIGHBORS]
        rows, values, equal = rows[best], values[best], equal[best]
        advance(len(block))
    return rows, values, equal, total / max(1, source.num_rows - 1)


def _typical_values(codec: RowCodec, triple: NDArray[np.int64]) -> tuple[TypicalValue, ...]:
    """Return the features of each category that deviate most from the training mean, from tokens [1, C, L]."""
    checkpoint = codec.checkpoint
    raw = codec.decode(triple)[0]
    z_scores = np.stack([codec.decode_z_scores(triple[..., :levels].copy())[0] for levels in range(1, LEVELS + 1)])
    typical = []
    for category, group in zip(checkpoint.spec.category_names, checkpoint.spec.groups, strict=True):
        largest = sorted(group, key=lambda column: -abs(z_scores[-1, column]))[:MAX_FEATURES]
        for column in largest:
            position = int(checkpoint.cleaner.kept[column])
            name, deviations = checkpoint.feature_names[position], tuple(z_scores[:, column].tolist())
            typical.append(TypicalValue(category, name, float(raw[position]), deviations))
    return tuple(typical)


def _codes(source: TokenFile, codes: list[int]) -> dict[str, tuple[tuple[int, int], ...]]:
    """Return code and codebook size of each level, by category."""
    columns = source.columns
    entries = sorted(zip(columns.level, codes, columns.codebook_size, columns.category, strict=True))
    return {
        name: tuple((code, size) for _, code, size, category in entries if category == name)
        for name in dict.fromkeys(columns.category)
    }


def _places(source: TokenFile, rows: list[int]) -> list[RowPlace]:
    """Return operator, split and labels of rows; a label that cannot be read is omitted."""
    count = source.shape[0]
    operators = [row // (source.num_rows // count) for row in rows]
    labels: dict[str, list[str]] = {}
    with InputFile.open(source.path) as file:
        for name in label_names(file, count):
            with suppress(DataError):
                labels[name] = [str(value) for value in read_label(file, name, count, where="")[operators].tolist()]
    split = source.split[operators].tolist()
    return [
        RowPlace(row, operator, split[position], {name: values[position] for name, values in labels.items()})
        for position, (row, operator) in enumerate(zip(rows, operators, strict=True))
    ]
