"""Section *codes* of the page: for each category the maps of its codebooks and a card for each code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spinlock.evaluation.codebooks.code_maps import CodeMap
from spinlock.evaluation.codebooks.description import CodebookDescription
from spinlock.evaluation.codebooks.prototypes import Prototype
from spinlock.model import LEVELS
from spinlock.plots.codebooks.code_maps import draw_codes, draw_usage
from spinlock.plots.codebooks.thumbnails import Thumbnails
from spinlock.plots.view import Picture, Table, View

MAX_CARDS = 2_500
"""Maximum number of cards of a page, so that its size is limited."""


@dataclass(frozen=True)
class Card:
    """A code and its prototype.

    Attributes
    ----------
    code
        Number of the code.
    share
        Fraction of the rows that have it.
    prototype
        What it stands for.
    """

    code: int
    share: float
    prototype: Prototype


@dataclass(frozen=True)
class Codebook:
    """The cards of one codebook.

    Attributes
    ----------
    level, size
        Level from 1, and number of codes.
    cards
        Codes with rows, the most frequent first.
    num_left_out
        Number of further codes with rows.
    dead
        Codes without rows.
    """

    level: int
    size: int
    cards: tuple[Card, ...]
    num_left_out: int
    dead: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Category:
    """The codebooks of one category.

    Attributes
    ----------
    name, num_columns
        Name, and number of columns.
    picture
        Maps of the codebooks.
    codebooks
        Their cards, by level.
    """

    name: str
    num_columns: int
    picture: Picture
    codebooks: tuple[Codebook, ...]


def make_categories(result: CodebookDescription) -> tuple[Category, ...]:
    """Return the codebooks of each category with their cards."""
    maps = result.code_maps
    limit = MAX_CARDS // len(maps) if result.num_codes > MAX_CARDS else max(code_map.size for code_map in maps)
    sizes = np.bincount(result.columns.categories).tolist()
    return tuple(
        Category(
            name=levels[0].category,
            num_columns=sizes[c],
            picture=draw_codes(levels),
            codebooks=tuple(_codebook(code_map, limit) for code_map in levels),
        )
        for c, levels in enumerate(maps[first : first + LEVELS] for first in range(0, len(maps), LEVELS))
    )


def _codebook(code_map: CodeMap, limit: int) -> Codebook:
    """Return the cards of the most frequent codes of a codebook."""
    order = np.argsort(-code_map.counts, kind="stable").tolist()
    total = int(code_map.counts.sum())
    used = [code for code in order if code_map.counts[code]]
    cards = tuple(Card(code, code_map.counts[code] / total, code_map.prototypes[code]) for code in used[:limit])
    dead = tuple(np.flatnonzero(code_map.counts == 0).tolist())
    return Codebook(code_map.level + 1, code_map.size, cards, max(0, len(used) - limit), dead)


def view(result: CodebookDescription, thumbnails: Thumbnails, *, with_usage: bool) -> View:
    """Return the section, without the cards, and with the picture of the usage if it is not elsewhere on the page."""
    used = result.num_codes - result.num_dead_codes
    finding = (
        f"{used:,} of {result.num_codes:,} codes are used by at least one of {result.setup.num_rows:,} rows. A card "
        "says which features a code raises and lowers, and which rows are nearest to it."
    )
    remarks = [
        "The effect of a code is the mean of what its level adds to the decoded rows that have it, minus the mean over "
        "all rows, in standard deviations of each column. A level is compared with what the coarser levels leave. "
        "Nearest rows are positions in the table.",
    ]
    if thumbnails.image:
        steps = ", ".join(str(step) for step in thumbnails.steps)
        remarks.append(
            f"Images are frames {steps} of the first channel of the nearest rows whose fields are in the file."
        )
    elif result.snapshots is None:
        remarks.append(
            "The cards have no images, because the dataset has no fields of operators (generate --save-fields)."
        )
    rows = [
        (code_map.name, str(code_map.size), str(code_map.num_dead), f"{code_map.perplexity:.1f}")
        for code_map in result.code_maps
    ]
    columns = ("codebook", "codes", "without rows", "perplexity")
    pictures = [draw_usage(result.code_maps)] if with_usage else []
    return View("codes", "Codes", finding, pictures, [Table("Usage", columns, rows)], remarks)


def pictured_operators(categories: Sequence[Category]) -> list[int]:
    """Return the operators whose frames the cards show: the nearest one of every card first, coarser levels first."""
    cards = [card for level in range(LEVELS) for category in categories for card in category.codebooks[level].cards]
    nearest_first = [card.prototype.pictured for card in cards]
    ranks = max((len(operators) for operators in nearest_first), default=0)
    return [operators[rank] for rank in range(ranks) for operators in nearest_first if rank < len(operators)]
