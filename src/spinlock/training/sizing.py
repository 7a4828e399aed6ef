"""Codebook sizes from the rows and the spectrum, by quality on the inner hold-out.

A code that sees fewer than about 60 training rows memorises them, so K <= n / 60. Below that cap a category gets the
bits that bring it to a common water level t (reverse water-filling): the mean level of categories at the cap, times a
factor that is lowered step by step until the held-out quality is above its target. Codebooks that this many validation
rows are not expected to fill are made smaller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.config import LevelFactors, ModelSettings
from spinlock.errors import DataError
from spinlock.metrics.rate_distortion import at_level, water_filling
from spinlock.metrics.targets import QUALITY, UTILIZATION
from spinlock.model.spec import LEVELS, ModelSpec, latent_dims
from spinlock.training.closed_form import (
    RIDGE_GRID,
    ClosedForm,
    fit_closed_form,
    fit_decoders,
    local_decoder,
)
from spinlock.training.inner import InnerSplit

ROWS_PER_CODE = 60
LARGEST_CODEBOOK = 512
WATER_FACTORS = (0.5, 0.25, 0.1, 0.03, 0.0)
CAP_SHARES = (0.7, 0.5, 0.35)
QUALITY_MARGIN = 0.02
UTILIZATION_MARGIN = 0.04
COMPARISON_FACTOR = 0.25
FIT_ROWS = 4096
HELD_OUT_ROWS = 2048
ITERATIONS = 8

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Sizes:
    """Chosen sizes [C][3], the decoder's ridge in units of n, and what to expect of them on held-out rows."""

    num_codes: tuple[Triple, ...]
    latent_dims: tuple[Triple, ...]
    ridge: float
    quality: float
    utilization: float

    @property
    def bits(self) -> float:
        """Sum of log2 K."""
        return sum(math.log2(size) for sizes in self.num_codes for size in sizes)


class Sizer:
    """Fits closed forms on an inner split of the training rows to compare partitions and to choose sizes.

    ``rows`` [n, D] are training rows in normalised units; ``validation_rows`` says how many rows the utilisation will
    be measured on. Rows beyond a few thousand are not needed for a comparison and are left out.
    """

    def __init__(
        self, rows: Tensor, inner: InnerSplit, settings: ModelSettings, *, validation_rows: int, seed: int
    ) -> None:
        rng = np.random.default_rng([seed, 2])
        self.fit_rows = rows[torch.from_numpy(_at_most(inner.fit, FIT_ROWS, rng))]
        self.held_out = rows[torch.from_numpy(_at_most(inner.held_out, HELD_OUT_ROWS, rng))]
        covariance = (rows.double().t() @ rows.double() / rows.shape[0]).cpu().numpy()
        self.covariance: NDArray[np.float64] = covariance
        self.num_rows = rows.shape[0]
        self.validation_rows = validation_rows
        self.settings = settings
        self.seed = seed

    @property
    def cap(self) -> int:
        """The largest codebook that this many training rows support."""
        return min(LARGEST_CODEBOOK, max(2, self.num_rows // ROWS_PER_CODE))

    def quality(self, labels: NDArray[np.int64]) -> float:
        """Cross-validated quality of a partition [D] at the sizes it would get: the score of category discovery."""
        members = [tuple(np.flatnonzero(labels == c).tolist()) for c in range(int(labels.max()) + 1)]
        groups = tuple(sorted(members, key=len, reverse=True))  # given categories come first, whatever their size
        return self._evaluate(groups, self._codes(groups, self.cap, COMPARISON_FACTOR)).quality

    def choose(self, groups: tuple[tuple[int, ...], ...], names: Sequence[str]) -> Sizes:
        """The smallest sizes expected to meet the targets, or those that come nearest.

        Raises:
            DataError: ``category_factors`` names no such category, or a codebook is larger than the training rows.
        """
        fixed = self._given(groups, names)
        if all(size is not None for sizes in fixed for size in sizes):
            return self._evaluate(groups, _filled([(2, 2, 2)] * len(groups), fixed), names)
        tried: list[Sizes] = []
        for factor in WATER_FACTORS:
            tried.append(self._evaluate(groups, _filled(self._codes(groups, self.cap, factor), fixed), names))
            if _surplus(tried[-1]) >= 0 or tried[-1].utilization < UTILIZATION + UTILIZATION_MARGIN:
                break
        for share in CAP_SHARES:
            if tried[-1].utilization >= UTILIZATION + UTILIZATION_MARGIN:
                break
            cap = max(2, round(share * self.cap))
            codes = _filled(self._codes(groups, cap, COMPARISON_FACTOR), fixed)
            tried.append(self._evaluate(groups, codes, names))
        return max(tried, key=lambda sizes: (_targets_met(sizes), _surplus(sizes)))

    def latent_dims(self, groups: tuple[tuple[int, ...], ...], names: Sequence[str] = ()) -> list[Triple]:
        """Widths [C][3] from the ratios, or as given by the factors."""
        dims = []
        for c, group in enumerate(groups):
            automatic = latent_dims(len(group), self.settings.embedding_dim, self.settings.ratios)
            factors = self._factors(names[c] if names else "")
            given = [None] * LEVELS if factors is None else [level.latent_dim for level in factors]
            first, second, third = (g or a for g, a in zip(given, automatic, strict=True))
            dims.append((first, second, third))
        return dims

    def _codes(self, groups: tuple[tuple[int, ...], ...], cap: int, factor: float) -> list[Triple]:
        spectra = [
            np.asarray(np.linalg.eigvalsh(self.covariance[np.ix_(group, group)]), dtype=np.float64) for group in groups
        ]
        most = LEVELS * math.log2(cap)
        columns = np.array([len(group) for group in groups])
        levels = np.array([water_filling(spectrum, most).level for spectrum in spectra])
        level = factor * float((levels * columns).sum() / columns.sum())
        sizes = []
        for spectrum in spectra:
            bits = min(most, at_level(spectrum, level).bits) if level > 0 else most
            size = int(np.clip(round(2 ** (bits / LEVELS)), 2, cap))
            sizes.append((size, size, size))
        return sizes

    def _evaluate(
        self, groups: tuple[tuple[int, ...], ...], num_codes: list[Triple], names: Sequence[str] = ()
    ) -> Sizes:
        dims = self.latent_dims(groups, names)
        spec = ModelSpec(
            category_names=tuple(str(c) for c in range(len(groups))),
            groups=groups,
            embedding_dim=self.settings.embedding_dim,
            hidden_dim=1,
            latent_dims=tuple(dims),
            num_codes=tuple(num_codes),
        )
        form = fit_closed_form(
            self.fit_rows,
            spec,
            ridge=RIDGE_GRID[0],
            generator=torch.Generator().manual_seed(self.seed),
            iterations=ITERATIONS,
        )
        ridge, quality = self._best_ridge(form)
        return Sizes(tuple(num_codes), tuple(dims), ridge, quality, self._expected_use(form))

    def _best_ridge(self, form: ClosedForm) -> tuple[float, float]:
        fitted, held_out = form.quantise(self.fit_rows)[-1], form.quantise(self.held_out)[-1]
        base = local_decoder(form.blocks, self.fit_rows.shape[1])
        decoders = fit_decoders(fitted, self.fit_rows, base, RIDGE_GRID)
        power = self.held_out.square().sum().clamp(min=1e-12)
        qualities = [float(1 - (self.held_out - held_out @ decoder).square().sum() / power) for decoder in decoders]
        best = int(np.argmax(qualities))
        return RIDGE_GRID[best], qualities[best]

    def _expected_use(self, form: ClosedForm) -> float:
        """mean over codebooks of mean_k 1 - (1 - p_k)^n for n validation rows, p_k from the rows fitted on."""
        shares = []
        for level in (level for block in form.blocks for level in block.levels):
            probability = level.counts / level.counts.sum(-1, keepdim=True)
            seen = (1 - (1 - probability) ** self.validation_rows) * level.mask
            shares.append(seen.sum(-1) / level.mask.sum(-1))
        return float(torch.cat(shares).mean())

    def _factors(self, name: str) -> tuple[LevelFactors, LevelFactors, LevelFactors] | None:
        return (self.settings.category_factors or {}).get(name, self.settings.factors)

    def _given(
        self, groups: tuple[tuple[int, ...], ...], names: Sequence[str]
    ) -> list[tuple[int | None, int | None, int | None]]:
        unknown = sorted(set(self.settings.category_factors or {}) - set(names))
        if unknown:
            raise DataError(
                f"category_factors names {', '.join(unknown)}",
                expected=f"categories of this run: {', '.join(names)}",
            )
        given: list[tuple[int | None, int | None, int | None]] = []
        for name in names:
            factors = self._factors(name)
            sizes = [None] * LEVELS if factors is None else [level.num_codes for level in factors]
            too_large = [size for size in sizes if size is not None and size > self.num_rows]
            if too_large:
                raise DataError(
                    f"a codebook of {too_large[0]} codes was asked for with {self.num_rows} training rows",
                    expected=f"at most {self.num_rows}, better at most {self.cap}",
                    remedy="lower num_codes",
                )
            first, second, third = sizes
            given.append((first, second, third))
        return given


def _filled(automatic: list[Triple], given: list[tuple[int | None, int | None, int | None]]) -> list[Triple]:
    filled = []
    for auto, fixed in zip(automatic, given, strict=True):
        first, second, third = (g or a for g, a in zip(fixed, auto, strict=True))
        filled.append((first, second, third))
    return filled


def _surplus(sizes: Sizes) -> float:
    """By how much the nearer of the two targets is exceeded, margins included; negative when one is missed."""
    return min(sizes.quality - QUALITY - QUALITY_MARGIN, sizes.utilization - UTILIZATION - UTILIZATION_MARGIN)


def _targets_met(sizes: Sizes) -> int:
    return (sizes.quality > QUALITY) + (sizes.utilization > UTILIZATION)


def _at_most(positions: NDArray[np.int64], limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return positions if len(positions) <= limit else np.sort(rng.permutation(positions)[:limit])
