"""The description of a tokenizer's codebooks, as one named result.

Letters: ``m`` encoded rows, ``p`` rows of the maps, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.checkpoint.record import Checkpoint
from spinlock.evaluation.best_epoch import BestEpoch, best_epoch
from spinlock.evaluation.codebooks.code_maps import CodeMap, make_code_maps
from spinlock.evaluation.codebooks.colorings import (
    Coloring,
    OtherOperatorNeighbors,
    best_label,
    color_by_attribute,
    color_by_token,
)
from spinlock.evaluation.codebooks.column_tree import ColumnTree, make_column_tree
from spinlock.evaluation.codebooks.prototypes import PrototypeRows
from spinlock.evaluation.codebooks.row_maps import Integers, MapNeighbors, RowMap, find_neighbors, make_row_maps
from spinlock.evaluation.discriminability.attributes import Attribute
from spinlock.evaluation.evaluation import Setup
from spinlock.evaluation.rows import EvaluatedRows
from spinlock.io.snapshots import Snapshots
from spinlock.sizing.selection import SelectionSummary

MAX_TOKEN_COLORINGS = 4
"""Number of categories whose first token colors a map, the largest categories first."""

STEPS = ("rows", "t-SNE", "UMAP", "codes", "categories")
"""Names of the steps of a description. ``UMAP`` needs umap-learn."""


@dataclass(frozen=True, eq=False)
class MapRows:
    """The rows of the maps.

    Attributes
    ----------
    positions, operators
        Position [p] in the table, and operator [p].
    tokens
        Tokens [p, C, L].
    neighbors
        Nearest rows of each row, as indices of these p rows.
    num_copies
        Number of rows whose features equal those of another row of the maps.
    """

    positions: Integers
    operators: Integers
    tokens: Integers
    neighbors: MapNeighbors
    num_copies: int

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, eq=False)
class CodebookDescription:
    """What the codes of a tokenizer mean, on the rows of a table.

    Attributes
    ----------
    setup
        What was measured: the model, the table, the number of encoded rows m, and the seed.
    rows
        The rows of the maps.
    label
        Name of the categorical label that follows the neighborhoods best, whose most frequent class is on the cards;
        None without a categorical label.
    maps
        Coordinates of these rows by t-SNE, and by UMAP if umap-learn is installed. Empty with too few distinct rows.
    colorings
        Labels, parameters and tokens of these rows, first those that follow the neighborhoods best and have most
        values.
    skipped
        Labels and parameters that do not color a map, and the reasons.
    columns
        Correlations of the columns, and their tree.
    selection
        Candidate numbers of categories K with their silhouette and cosine, from the training run.
    code_maps
        Map, usage and prototypes of each codebook, in the order of the token columns.
    history
        {loss or metric: values by epoch} of the training run.
    best_epoch
        The selected epoch.
    snapshots
        Fields of some operators, if the file has them.
    """

    setup: Setup
    rows: MapRows
    label: str | None
    maps: tuple[RowMap, ...]
    colorings: tuple[Coloring, ...]
    skipped: dict[str, str]
    columns: ColumnTree
    selection: SelectionSummary
    code_maps: tuple[CodeMap, ...]
    history: dict[str, list[float | int | None]]
    best_epoch: BestEpoch
    snapshots: Snapshots | None

    @property
    def clearest_token(self) -> Coloring | None:
        """First token that neighbors share most above chance; None if no row has neighbors of another operator."""
        tokens = [coloring for coloring in self.colorings if coloring.kind == "token"]
        clearest = max(tokens, key=lambda coloring: coloring.excess)
        return clearest if np.isfinite(clearest.agreement) else None

    @property
    def num_codes(self) -> int:
        """Number of codes of all codebooks."""
        return sum(code_map.size for code_map in self.code_maps)

    @property
    def num_dead_codes(self) -> int:
        """Number of codes that no encoded row has."""
        return sum(code_map.num_dead for code_map in self.code_maps)


@dataclass(frozen=True, eq=False)
class DescribedRows:
    """The rows on which codebooks are described.

    Attributes
    ----------
    rows
        The m encoded rows.
    on_maps
        Indices [p] of those that are drawn on the maps.
    attributes, skipped
        Labels and parameters of the m rows, and why others are left out.
    snapshots
        Fields of some operators, or None.
    """

    rows: EvaluatedRows
    on_maps: Integers
    attributes: Sequence[Attribute]
    skipped: dict[str, str]
    snapshots: Snapshots | None


def describe(
    described: DescribedRows, checkpoint: Checkpoint, setup: Setup, advance: Callable[[str], None]
) -> CodebookDescription:
    """Describe the codebooks of a tokenizer.

    Parameters
    ----------
    described
        Rows that it encoded.
    checkpoint
        Its training run.
    setup
        What is measured.
    advance
        Called with the name of each step of :data:`STEPS` before it is done.

    Returns
    -------
    CodebookDescription
    """
    rows, chosen = described.rows, described.on_maps
    z_scores = rows.z_scores[chosen]
    neighbors = find_neighbors(z_scores)
    maps = make_row_maps(z_scores, setup.seed, advance)
    operators = rows.operators[chosen]
    others = OtherOperatorNeighbors.of(neighbors, operators)
    colorings = [color_by_attribute(attribute, chosen, others) for attribute in described.attributes]
    label = best_label(colorings)
    advance("codes")
    with_fields = frozenset(described.snapshots.operators.tolist()) if described.snapshots is not None else frozenset()
    label_attribute = next(
        (each for each in described.attributes if label is not None and each.name == label.name), None
    )
    code_maps = tuple(make_code_maps(PrototypeRows.of(rows, with_fields, label_attribute)))
    first = [code_map for code_map in code_maps if code_map.level == 0][:MAX_TOKEN_COLORINGS]
    tokens = [
        color_by_token(code_map.name, rows.tokens[chosen, c, 0], code_map.ranks, others)
        for c, code_map in enumerate(first)
    ]
    advance("categories")
    return CodebookDescription(
        setup=setup,
        rows=MapRows(
            positions=rows.positions[chosen],
            operators=operators,
            tokens=rows.tokens[chosen],
            neighbors=neighbors,
            num_copies=_num_copies(z_scores),
        ),
        label=label.name if label is not None else None,
        maps=maps,
        colorings=(*sorted(colorings, key=lambda each: -each.excess * each.known_fraction), *tokens),
        skipped=described.skipped,
        columns=make_column_tree(rows),
        selection=checkpoint.selection,
        code_maps=code_maps,
        history=dict(checkpoint.history.columns),
        best_epoch=best_epoch(checkpoint),
        snapshots=described.snapshots,
    )


def _num_copies(z_scores: NDArray[np.float32]) -> int:
    """Return the number of rows [p, U] that equal another one."""
    counts = np.unique(z_scores, axis=0, return_counts=True)[1]
    return int(counts[counts > 1].sum())
