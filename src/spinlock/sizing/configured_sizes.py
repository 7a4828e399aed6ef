"""Codebook sizes and latent widths that the configuration gives by ``factors`` and ``category_factors``."""

from __future__ import annotations

from collections.abc import Sequence

from spinlock.config import LevelFactors, ModelSettings
from spinlock.errors import DataError
from spinlock.model.spec import LEVELS, Groups, latent_dims
from spinlock.sizing.bit_allocation import Triple

OptionalTriple = tuple[int | None, int | None, int | None]
"""A size for each level; None if it is chosen automatically."""


def configured_latent_dims(settings: ModelSettings, groups: Groups, names: Sequence[str] = ()) -> list[Triple]:
    """Return the latent widths [C][3]: those of the configuration, and those that follow from the ratios.

    Parameters
    ----------
    settings
        Factors and ratios.
    groups
        Columns of each category.
    names
        Names of the categories; empty while they have no names, and then only ``factors`` apply.
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
    """Return the numbers of codes [C][3] of the configuration.

    Parameters
    ----------
    settings
        Factors.
    names
        Names of the categories.
    num_rows
        Number of training rows, which limits a codebook.
    max_codes
        Recommended maximum, for the error message.

    Raises
    ------
    DataError
        ``category_factors`` names a category that does not exist, or a codebook is larger than ``num_rows``.
    """
    unknown = sorted(set(settings.category_factors or {}) - set(names))
    if unknown:
        raise DataError(
            f"category_factors names {', '.join(unknown)}",
            expected=f"categories of this run: {', '.join(names)}",
        )
    configured: list[OptionalTriple] = []
    for name in names:
        factors = _factors(settings, name)
        sizes = [None] * LEVELS if factors is None else [level.num_codes for level in factors]
        too_large = [size for size in sizes if size is not None and size > num_rows]
        if too_large:
            raise DataError(
                f"a codebook of {too_large[0]} codes was asked for with {num_rows} training rows",
                expected=f"at most {num_rows}, better at most {max_codes}",
                remedy="lower num_codes",
            )
        first, second, third = sizes
        configured.append((first, second, third))
    return configured


def fill_sizes(automatic: Triple, configured: OptionalTriple) -> Triple:
    """Return the configured size of each level, and the automatic one where the configuration gives none."""
    first, second, third = (size or default for size, default in zip(configured, automatic, strict=True))
    return first, second, third


def _factors(settings: ModelSettings, name: str) -> tuple[LevelFactors, LevelFactors, LevelFactors] | None:
    """Return the factors of a category, by its name or for all categories."""
    return (settings.category_factors or {}).get(name, settings.factors)
