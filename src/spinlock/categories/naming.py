"""Readable names for categories, from the parts that their columns' names have in common.

A part (a word between separators) describes a category by its F1 score 2 p r / (p + r): p the share of the category's
columns that have it, r the share of the columns with it that are in the category. The best part, or pair of parts, is
the name; a category without a telling part is ``category_<n>``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import combinations

from spinlock.categories.partition import Labels, groups_of

TELLING = 0.2
"""Least F1 score of a part that may name a category."""

PAIR_GAIN = 1.15
"""A pair of parts has to score this much better than one part."""


def name_parts(name: str) -> frozenset[str]:
    """Words of a column name, split at separators, without accents; numbers alone tell nothing.

    >>> sorted(name_parts("q0_ux_rms"))
    ['q0', 'rms', 'ux']
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()  # as mapping files have them
    words = re.split(r"[^A-Za-z0-9]+", plain)
    return frozenset(word for word in words if word and not word.isdigit())


def name_categories(labels: Labels, names: Sequence[str], taken: Sequence[str] = ()) -> tuple[str, ...]:
    """One name for each category of labels [D], distinct from each other and from those in ``taken``.

    The first ``len(taken)`` categories keep the names in ``taken``.
    """
    parts = [name_parts(name) for name in names]
    chosen: list[str] = list(taken)
    for number, members in enumerate(groups_of(labels)):
        if number < len(taken):
            continue
        base = _describe([parts[j] for j in members], parts) or f"category_{number}"
        name, suffix = base, 2
        while name in chosen:
            name, suffix = f"{base}_{suffix}", suffix + 1
        chosen.append(name)
    return tuple(chosen)


def _describe(inside: list[frozenset[str]], everywhere: list[frozenset[str]]) -> str:
    words = sorted(set().union(*inside))

    def f1(wanted: tuple[str, ...]) -> float:
        within = sum(all(word in parts for word in wanted) for parts in inside)
        total = sum(all(word in parts for word in wanted) for parts in everywhere)
        return 2 * within / (len(inside) + total) if total else 0.0

    ranked = sorted(words, key=lambda word: (-f1((word,)), word))[:12]
    if not ranked or f1((ranked[0],)) < TELLING or all(ranked[0] in parts for parts in everywhere):
        return ""
    pairs = sorted(combinations(ranked, 2), key=lambda pair: (-f1(pair), pair))
    if pairs and f1(pairs[0]) > PAIR_GAIN * f1((ranked[0],)):
        return "_".join(pairs[0])
    return ranked[0]
