"""The rows of the maps as a table: coordinates, labels, tokens and neighbors, for other programs."""

from __future__ import annotations

from typing import Any

from spinlock.evaluation.codebooks.colorings import Coloring
from spinlock.evaluation.codebooks.description import CodebookDescription
from spinlock.evaluation.discriminability.attributes import MISSING

NEIGHBORS = "neighbors"
"""Column of the neighbors, {"ids": values of ``id``, "distances": ...}, as embedding-atlas reads it."""


def map_points(result: CodebookDescription) -> dict[str, list[Any]]:
    """Return the columns of the table.

    Parameters
    ----------
    result
        The description.

    Returns
    -------
    dict
        {column: values [p]}: ``id`` (0 to p - 1), ``row`` and ``operator`` (positions in the dataset), ``<map>_x`` and
        ``<map>_y`` for each map, ``label/<name>`` and ``parameter/<name>`` (None where missing), the tokens
        ``<category>.L<level>``, and ``neighbors``.
    """
    rows = result.rows
    columns: dict[str, list[Any]] = {
        "id": list(range(len(rows))),
        "row": rows.positions.tolist(),
        "operator": rows.operators.tolist(),
    }
    for row_map in result.maps:
        for axis, letter in enumerate("xy"):
            columns[f"{column_prefix(row_map.name)}_{letter}"] = row_map.coordinates[:, axis].tolist()
    for coloring in result.colorings:
        if coloring.kind != "token":
            columns[f"{coloring.kind}/{coloring.name}"] = _values(coloring)
    flat = rows.tokens.reshape(len(rows), -1)
    for code_map, codes in zip(result.code_maps, flat.T, strict=True):
        columns[code_map.name] = codes.tolist()
    pairs = zip(rows.neighbors.indices.tolist(), rows.neighbors.distances.tolist(), strict=True)
    columns[NEIGHBORS] = [{"ids": ids, "distances": distances} for ids, distances in pairs]
    return columns


def column_prefix(map_name: str) -> str:
    """Return the prefix of the columns of a map: ``tsne`` or ``umap``."""
    return map_name.lower().replace("-", "")


def _values(coloring: Coloring) -> list[Any]:
    """Return the values of a label or parameter, None where missing."""
    present = coloring.codes != MISSING
    values = coloring.numbers.tolist() if coloring.is_numeric else [coloring.classes[code] for code in coloring.codes]
    return [value if known else None for value, known in zip(values, present.tolist(), strict=True)]
