"""Codebook sizes and latent widths that ``factors`` and ``category_factors`` of the configuration set."""

from __future__ import annotations

from collections.abc import Sequence

from spinlock.config import LevelFactors, ModelSettings
from spinlock.errors import DataError
from spinlock.model.spec import LEVELS, Groups, latent_dims
from spinlock.sizing.bit_allocation import Triple

OptionalTriple = tuple[int | None, int | None, int | None]
"""A size for each of the three levels; None if it is selected automatically."""


def configured_latent_dims(settings: ModelSettings, groups: Groups, names: Sequence[str] = ()) -> list[Triple]:
    """Return the latent widths from the factors of the configuration, or else from its ratios.

    Parameters
    ----------
    settings
        Factors and ratios.
    groups
        Columns of each category.
    names
        Names of the categories. If there are no names yet, only ``factors`` apply, and not ``category_factors``.

    Returns
    -------
    list of tuple of int
        Latent widths [C][3].
    """
    dims = []
    for c, group in enumerate(groups):
        automatic = latent_dims(len(group), settings.embedding_dim, settings.ratios)
        factors = _factors(settings, names[c] if names else "")
        configured: OptionalTriple = (None, None, None)
        if factors is not None:
            configured = (factors[0].latent_dim, factors[1].latent_dim, factors[2].latent_dim)
        dims.append(fill_sizes(automatic, configured))
    return dims


def configured_codes(
    settings: ModelSettings, names: Sequence[str], *, num_rows: int, max_codes: int
) -> list[OptionalTriple]:
    """Return the numbers of codes that the configuration sets.

    Parameters
    ----------
    settings
        Factors.
    names
        Names of the categories.
    num_rows
        Number of training rows, the maximum number of codes of a codebook.
    max_codes
        Recommended maximum number of codes, for the error message.

    Returns
    -------
    list of tuple
        Numbers of codes [C][3]; None if the configuration does not set them.

    Raises
    ------
    DataError
        ``category_factors`` names a category that does not exist, or a codebook is larger than ``num_rows``.
    """
    unknown = sorted(set(settings.category_factors or {}) - set(names))
    if unknown:
        raise DataError(
            f"category_factors contains unknown categories: {', '.join(unknown)}",
            expected=f"categories of this run: {', '.join(names)}",
        )
    configured: list[OptionalTriple] = []
    for name in names:
        factors = _factors(settings, name)
        sizes = [None] * LEVELS if factors is None else [level.num_codes for level in factors]
        too_large = [size for size in sizes if size is not None and size > num_rows]
        if too_large:
            raise DataError(
                f"num_codes is {too_large[0]} codes for a table of {num_rows} training rows",
                expected=f"at most {num_rows}, better at most {max_codes}",
                remedy="lower num_codes",
            )
        first, second, third = sizes
        configured.append((first, second, third))
    return configured


def fill_sizes(automatic: Triple, configured: OptionalTriple) -> Triple:
    """Return the size of each level: the configured size if there is one, else the automatic size."""
    first, second, third = (size or default for size, default in zip(configured, automatic, strict=True))
    return first, second, third


def _factors(settings: ModelSettings, name: str) -> tuple[LevelFactors, LevelFactors, LevelFactors] | None:
    """Return the factors of a category: its ``category_factors``, or else ``factors``."""
    return (settings.category_factors or {}).get(name, settings.factors)


def fill_all(automatic: Sequence[Triple], configured: Sequence[OptionalTriple]) -> list[Triple]:
    """Return the configured sizes of all categories, and automatic sizes where none is configured."""
    return [fill_sizes(*pair) for pair in zip(automatic, configured, strict=True)]
