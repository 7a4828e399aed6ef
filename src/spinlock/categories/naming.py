"""Readable names of categories, from words that the names of their columns have in common.

The F1 score of a word for a category is 2 p r / (p + r), where r is the fraction of the category's columns whose name
contains the word, and p the fraction of the columns with the word that are in the category. The name of a category is
the word or the pair of words with the largest score, or ``category_<n>`` if no score is large enough.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

from spinlock.categories.partition import Labels, groups_of

MIN_F1 = 0.2
"""Minimum F1 score of a word that is used as a name."""

MIN_PAIR_GAIN = 1.15
"""Minimum ratio of the best F1 score of a pair of words to that of one word; below it the single word is used."""

MAX_WORD_LENGTH = 80
"""Maximum length of a word of a category's name, so that a pair of words is a valid name."""

MAX_PAIRED_WORDS = 12
"""Number of words with the largest F1 scores from which pairs are formed."""


def name_words(name: str) -> frozenset[str]:
    """Split a column name into words at separators, without accents and without numbers.

    Parameters
    ----------
    name
        Name of a column.

    Returns
    -------
    frozenset of str

    Examples
    --------
    >>> sorted(name_words("q0_ux_rms"))
    ['q0', 'rms', 'ux']
    """
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()  # as mapping files require
    words = re.split(r"[^A-Za-z0-9]+", ascii_name)
    return frozenset(word for word in words if 0 < len(word) <= MAX_WORD_LENGTH and not word.isdigit())


def name_categories(labels: Labels, names: Sequence[str], fixed_names: Sequence[str] = ()) -> tuple[str, ...]:
    """Return a distinct name for each category.

    Parameters
    ----------
    labels
        Category of each column [D].
    names
        Names of the columns, [D].
    fixed_names
        Names that the first categories keep.

    Returns
    -------
    tuple of str
        One name for each category.
    """
    column_words = [name_words(name) for name in names]
    counts = Counter(word for words in column_words for word in words)
    category_names: list[str] = list(fixed_names)
    for number, members in enumerate(groups_of(labels)):
        if number < len(fixed_names):
            continue
        base = _best_words([column_words[j] for j in members], column_words, counts) or f"category_{number}"
        name, suffix = base, 2
        while name in category_names:
            name, suffix = f"{base}_{suffix}", suffix + 1
        category_names.append(name)
    return tuple(category_names)


def _best_words(members: list[frozenset[str]], columns: list[frozenset[str]], counts: Mapping[str, int]) -> str:
    """Return the word or pair of words with the largest F1 score; an empty string if the score is too small.

    ``members`` and ``columns`` are the words of the names of the category's columns and of all columns, and ``counts``
    the number of columns whose name contains a word.
    """
    own_counts = Counter(word for column in members for word in column)

    def f1(candidate: tuple[str, ...]) -> float:
        if len(candidate) == 1:  # a wide table has thousands of words
            within, total = own_counts[candidate[0]], counts[candidate[0]]
        else:
            within = sum(all(word in column for word in candidate) for column in members)
            total = sum(all(word in column for word in candidate) for column in columns)
        return 2 * within / (len(members) + total) if total else 0.0

    ranked = sorted(own_counts, key=lambda word: (-f1((word,)), word))[:MAX_PAIRED_WORDS]
    if not ranked or f1((ranked[0],)) < MIN_F1 or counts[ranked[0]] == len(columns):
        return ""
    pairs = sorted(combinations(ranked, 2), key=lambda pair: (-f1(pair), pair))
    if pairs and f1(pairs[0]) > MIN_PAIR_GAIN * f1((ranked[0],)):
        return "_".join(pairs[0])
    return ranked[0]
