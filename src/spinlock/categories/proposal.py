"""The categories of a run: discovered, read from a mapping file, or some of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.categories import Discovery, load_mapping, name_categories
from spinlock.categories.candidate_search import find_candidates
from spinlock.categories.candidates import Candidate, DiscoveryLimits
from spinlock.categories.discovery import Score, choose
from spinlock.config import CategorySettings
from spinlock.errors import DataError


@dataclass(frozen=True)
class Categorization:
    """Names and groups (positions among the kept columns) of the categories, and how they were found."""

    names: tuple[str, ...]
    groups: tuple[tuple[int, ...], ...]
    discovery: Discovery
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """Partitions to choose from, whatever the rate that they will be compared at."""

    candidates: tuple[Candidate, ...]
    target: float
    kept_names: tuple[str, ...]
    given_names: tuple[str, ...]
    notes: tuple[str, ...]

    def choose(self, score: Score) -> Categorization:
        """The best by its cross-validated quality, named; large categories first."""
        found = choose(self.candidates, self.target, score)
        labels = found.chosen.labels
        names = name_categories(labels, self.kept_names, self.given_names)
        groups = [tuple(np.flatnonzero(labels == c).tolist()) for c in range(len(names))]
        by_size = sorted(range(len(names)), key=lambda c: -len(groups[c]))
        return Categorization(tuple(names[c] for c in by_size), tuple(groups[c] for c in by_size), found, self.notes)


def propose(
    settings: CategorySettings, correlation: NDArray[np.float64], kept: Sequence[int], names: Sequence[str]
) -> Proposal:
    """Ways to assign every kept column to one category, as the settings say.

    ``correlation`` [D, D] of the kept columns on training rows, ``kept`` their positions in the file's ``names``.

    Raises:
        DataError: a mapping file is at fault, or what was asked for cannot be made.
    """
    limits = DiscoveryLimits(
        target=settings.orthogonality_target,
        min_features=settings.min_features_per_category,
        max_clusters=settings.max_clusters,
        count=settings.num_categories_auto,
    )
    given, given_names, notes = _given(settings, kept, names)
    found = find_candidates(correlation, limits, fixed_labels=given)
    return Proposal(found, limits.target, tuple(names[j] for j in kept), tuple(given_names), notes)


def _given(
    settings: CategorySettings, kept: Sequence[int], names: Sequence[str]
) -> tuple[NDArray[np.int64] | None, list[str], tuple[str, ...]]:
    """Labels of the columns that a mapping file assigns (-1: free), the names of its categories, and remarks."""
    path = settings.category_mapping_file
    if path is None:
        return None, [], ()
    position = {column: index for index, column in enumerate(kept)}
    given = np.full(len(kept), -1, dtype=np.int64)
    given_names: list[str] = []
    notes: list[str] = []
    for name, columns in load_mapping(path, names).items():
        members = [position[column] for column in columns if column in position]
        gone = len(columns) - len(members)
        if gone:
            notes.append(f"category {name}: {gone} of {len(columns)} columns were dropped by the cleaning")
        if members:
            given[members] = len(given_names)
            given_names.append(name)
    free = np.flatnonzero(given < 0)
    if not settings.discovers_categories and free.size:
        some = ", ".join(names[kept[j]] for j in free[:5].tolist())
        raise DataError(
            f"{free.size} columns are in no category: {some}{' ...' if free.size > 5 else ''}",
            where=str(path),
            expected="every column that the cleaning keeps",
            remedy="add them, or set category_assignment to hybrid",
        )
    return given, given_names, tuple(notes)
