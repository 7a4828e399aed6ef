"""Codebook sizes: the fewest bits at which the targets are expected to hold, by trials on an inner hold-out.

The search starts at the rate that a Gaussian source of this covariance needs for the quality wanted and closes in on
the fewest bits whose trial reaches it. A codebook has at most n / 20 codes, as one that sees fewer rows for each code
memorizes them, and is made smaller still when the validation rows would not fill it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from spinlock.config import LevelFactors, ModelSettings
from spinlock.errors import DataError
from spinlock.metrics.rate_distortion import gaussian_bits
from spinlock.metrics.targets import UTILIZATION
from spinlock.model.spec import LEVELS, Groups, ModelSpec, latent_dims
from spinlock.preprocessing.holdout import Holdout
from spinlock.sizing.assignment import assignment_of
from spinlock.sizing.bit_allocation import BitAllocation, Triple, total_bits
from spinlock.sizing.trials import SizeTrial, Trials

ROWS_PER_CODE = 20
VALIDATION_ROWS_PER_CODE = 5
MAX_CODEBOOK_SIZE = 512
CAP_FRACTIONS = (1.0, 0.7, 0.5, 0.35)

UTILIZATION_MARGIN = 0.04
"""By how much the trials have to exceed that target: validation rows are few, and differ from those held out here.

Quality needs none: what the trials leave out, all the rows, more rounds and training, raises it by more.
"""

BITS_GROWTH = 1.25
"""From the first trial to the second."""

MIN_RELATIVE_STEP = 0.98
"""Trials whose bits are closer than this tell nothing new."""

MAX_TRIALS = 7

MAX_TARGET_QUALITY = 0.99
"""What a target of 1 is searched from."""

NEAR_LIMIT = 0.9
"""Sizes that spend more than this fraction of max_bits count as limited by it: the next larger ones may not fit."""

Given = tuple[int | None, int | None, int | None]


def max_codebook_size(rows: int, validation_rows: int) -> int:
    """Most codes of a codebook that training rows support and validation rows fill."""
    return min(MAX_CODEBOOK_SIZE, max(2, min(rows // ROWS_PER_CODE, validation_rows // VALIDATION_ROWS_PER_CODE)))


class CodebookSizeSearch:
    """Compares partitions and chooses sizes for training rows [n, D] in normalized units."""

    def __init__(
        self, rows: Tensor, holdout: Holdout, settings: ModelSettings, *, validation_rows: int, seed: int
    ) -> None:
        self.trials = Trials(rows, holdout, validation_rows=validation_rows, seed=seed)
        covariance = (rows.double().t() @ rows.double() / rows.shape[0]).cpu().numpy()
        self.covariance: NDArray[np.float64] = covariance
        spectrum = np.asarray(np.linalg.eigvalsh(covariance), dtype=np.float64)
        self.gaussian_rate = gaussian_bits(spectrum, min(MAX_TARGET_QUALITY, settings.target_quality))
        self.num_rows = rows.shape[0]
        self.settings = settings
        self.assignment = assignment_of(settings.assignment)

    @property
    def cap(self) -> int:
        """The largest codebook that these rows support."""
        return max_codebook_size(self.num_rows, self.trials.validation_rows)

    def _cap_of(self, groups: Groups) -> int:
        """The cap of these categories."""
        return self.assignment.max_codes(self.cap, len(groups))

    def rate(self, rate_multiplier: float) -> float:
        """``excess`` times the Gaussian rate, max_bits at most."""
        return min(self.settings.max_bits or np.inf, rate_multiplier * self.gaussian_rate)

    def qualities(self, partitions: Sequence[NDArray[np.int64]], rate_multiplier: float = 1.0) -> list[float | None]:
        """Cross-validated quality of partitions [D] at :meth:`rate`: the score of category discovery.

        None for partitions that cost too much, or on which the assignment is not tried.
        """
        specs = [self._comparison(labels, self.rate(rate_multiplier)) for labels in partitions]
        least = min(self._least_bits(spec.groups) for spec in specs)
        limit = max(least, self.settings.max_bits or np.inf)
        affordable = [index for index, spec in enumerate(specs) if self._least_bits(spec.groups) <= limit]
        qualities = self.assignment.compare(self.trials, [specs[index] for index in affordable])
        known = dict(zip(affordable, qualities, strict=True))
        return [known.get(index) for index in range(len(specs))]

    @staticmethod
    def _least_bits(groups: Groups) -> float:
        """With two codes in every codebook."""
        return float(LEVELS * len(groups))

    def _comparison(self, labels: NDArray[np.int64], bits: float) -> ModelSpec:
        members = [tuple(np.flatnonzero(labels == c).tolist()) for c in range(int(labels.max()) + 1)]
        groups = tuple(sorted(members, key=len, reverse=True))  # given categories come first, whatever their size
        return self._spec(groups, BitAllocation.of(self.covariance, groups).sizes(bits, self._cap_of(groups)), ())

    def choose(self, groups: Groups, names: Sequence[str]) -> SizeTrial:
        """The smallest sizes expected to meet the targets, or those that come nearest.

        Raises:
            DataError: ``category_factors`` names no such category, a codebook is larger than the training rows, or
                ``max_bits`` does not suffice for two codes everywhere.
        """
        fixed = self._given(groups, names)
        allocation = BitAllocation.of(self.covariance, groups)
        smallest = _filled([(2, 2, 2)] * len(groups), fixed)
        least = total_bits(smallest)
        known: dict[tuple[Triple, ...], SizeTrial] = {}

        def trial(num_codes: list[Triple]) -> SizeTrial:
            sizes = tuple(num_codes)
            if sizes not in known:
                known[sizes] = self.assignment.try_sizes(self.trials, self._spec(groups, num_codes, names))
            return known[sizes]

        def at(bits: float, cap: int) -> SizeTrial:
            room = bits
            while total_bits(sizes := _filled(allocation.sizes(room, cap), fixed)) > bits and sizes != smallest:
                room = 0.95 * room - 0.1  # given sizes take their part of the bits
            return trial(sizes)

        if all(size is not None for sizes in fixed for size in sizes):
            return replace(trial(smallest), automatic=False)
        limit = self.settings.max_bits or np.inf
        if least > limit:
            raise DataError(
                f"max_bits = {limit:g}, but {len(groups)} categories cost {least:.0f} bits with two "
                "codes in every codebook that is not given",
                remedy="raise max_bits, or give fewer categories (num_categories_auto) or smaller num_codes",
            )
        tried: list[SizeTrial] = []
        start = max(least, self.rate(1.0))
        for share in CAP_FRACTIONS:
            cap = max(2, round(share * self._cap_of(groups)))
            most = min(limit, total_bits(_filled([(cap, cap, cap)] * len(groups), fixed)))
            tried += self._search(partial(at, cap=cap), start, max(least, most))
            start = min((sizes.bits for sizes in tried if self._enough(sizes)), default=start)
            reached = any(self._enough(sizes) for sizes in tried)  # smaller codebooks reach no more than these
            if not reached or any(self.meets(sizes) for sizes in tried):
                break
        return self.best(tried)

    def best(self, tried: Sequence[SizeTrial]) -> SizeTrial:
        """The fewest bits among those that are expected to meet both targets, or what comes nearest to them."""
        met = [sizes for sizes in tried if self.meets(sizes)]
        return min(met, key=lambda sizes: sizes.bits) if met else max(tried, key=self._merit)

    def meets(self, sizes: SizeTrial) -> bool:
        """Whether both targets are expected to hold, the margin included."""
        return self._surplus(sizes) >= 0

    def _search(self, at: Callable[[float], SizeTrial], start: float, most: float) -> list[SizeTrial]:
        """What was tried on the way to the fewest bits of enough quality.

        log(1 - quality) over bits is nearly a straight line: the next trial is where the line through two crosses the
        target.
        """
        tried: dict[float, SizeTrial] = {}  # by the bits asked for: whole numbers of codes may cost fewer
        bits = min(start, most)
        while bits not in tried and len(tried) < MAX_TRIALS:
            tried[bits] = at(bits)
            bits = self._next(tried, most)
        return list(tried.values())

    def _next(self, tried: dict[float, SizeTrial], most: float) -> float:
        """The bits to try next; some that were tried already where nothing is left to learn."""
        short = max((bits for bits, sizes in tried.items() if not self._enough(sizes)), default=None)
        enough = min((bits for bits, sizes in tried.items() if self._enough(sizes)), default=None)
        first, second = [*tried, *tried][-2:]
        if short is None:
            assert enough is not None, "a trial is one or the other"
            if len(tried) > 1 and tried[first].num_codes == tried[second].num_codes:
                return enough  # codebooks do not get smaller
            bits = enough / BITS_GROWTH if len(tried) == 1 else self._crossing(tried, first, second)
            return float(np.clip(bits, enough / BITS_GROWTH**3, enough * MIN_RELATIVE_STEP))
        if enough is None:
            bits = BITS_GROWTH * short if len(tried) == 1 else self._crossing(tried, first, second)
            return min(most, float(np.clip(bits, short / MIN_RELATIVE_STEP, short * BITS_GROWTH**3)))
        if short > MIN_RELATIVE_STEP * enough:
            return enough
        step = (1 - MIN_RELATIVE_STEP) * enough / 2
        return float(np.clip(self._crossing(tried, short, enough), short + step, enough - step))

    def _crossing(self, tried: dict[float, SizeTrial], first: float, second: float) -> float:
        """The bits at which the line through log(1 - quality) of two trials crosses the target."""
        before, after = (math.log(max(1e-9, 1 - tried[bits].quality)) for bits in (first, second))
        slope = min((after - before) / (second - first), -1e-9)
        wanted = math.log(max(1e-9, 1 - self.settings.target_quality))
        return second + (wanted - after) / slope

    def _enough(self, sizes: SizeTrial) -> bool:
        return sizes.quality >= self.settings.target_quality

    def _surplus(self, sizes: SizeTrial) -> float:
        """By how much the nearer of the two targets is exceeded, margin included; negative when one is missed."""
        quality = sizes.quality - self.settings.target_quality
        return min(quality, sizes.utilization - UTILIZATION - UTILIZATION_MARGIN)

    def _merit(self, sizes: SizeTrial) -> tuple[int, float]:
        """How many of the two targets are met, and the surplus of the nearer one."""
        met = (sizes.quality > self.settings.target_quality) + (sizes.utilization > UTILIZATION)
        return met, self._surplus(sizes)

    def latent_dims(self, groups: Groups, names: Sequence[str] = ()) -> list[Triple]:
        """Widths [C][3] from the ratios, or as given by the factors."""
        dims = []
        for c, group in enumerate(groups):
            automatic = latent_dims(len(group), self.settings.embedding_dim, self.settings.ratios)
            factors = self._factors(names[c] if names else "")
            given = [None] * LEVELS if factors is None else [level.latent_dim for level in factors]
            first, second, third = (g or a for g, a in zip(given, automatic, strict=True))
            dims.append((first, second, third))
        return dims

    def _spec(self, groups: Groups, num_codes: list[Triple], names: Sequence[str]) -> ModelSpec:
        return ModelSpec(
            category_names=tuple(str(c) for c in range(len(groups))),
            groups=groups,
            embedding_dim=self.settings.embedding_dim,
            hidden_dim=1,
            latent_dims=tuple(self.latent_dims(groups, names)),
            num_codes=tuple(num_codes),
            assignment=self.settings.assignment,
        )

    def _factors(self, name: str) -> tuple[LevelFactors, LevelFactors, LevelFactors] | None:
        return (self.settings.category_factors or {}).get(name, self.settings.factors)

    def _given(self, groups: Groups, names: Sequence[str]) -> list[Given]:
        unknown = sorted(set(self.settings.category_factors or {}) - set(names))
        if unknown:
            raise DataError(
                f"category_factors names {', '.join(unknown)}",
                expected=f"categories of this run: {', '.join(names)}",
            )
        given: list[Given] = []
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


def _filled(automatic: list[Triple], given: list[Given]) -> list[Triple]:
    filled = []
    for auto, fixed in zip(automatic, given, strict=True):
        first, second, third = (g or a for g, a in zip(fixed, auto, strict=True))
        filled.append((first, second, third))
    return filled
