"""Search for the codebook sizes with the fewest bits that are expected to meet the targets.

Sizes are tried on held-out training rows. The search starts at the rate that a Gaussian source of the same covariance
needs for the target quality. A codebook has at most one code per 20 training rows, to limit overfitting, and at most
one per 5 validation rows, so that enough of its codes can occur among them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from spinlock.config import ModelSettings
from spinlock.errors import DataError
from spinlock.metrics.gaussian_reference import GaussianReference
from spinlock.metrics.targets import UTILIZATION
from spinlock.model.spec import LEVELS, Groups, ModelSpec
from spinlock.preprocessing.holdout import Holdout
from spinlock.sizing.assignment import assignment_of
from spinlock.sizing.bit_allocation import Triple, total_bits
from spinlock.sizing.bit_search import BitSearch
from spinlock.sizing.configured_sizes import configured_codes, configured_latent_dims, fill_all
from spinlock.sizing.trials import Conversion, SizeTrial, Trials

ROWS_PER_CODE = 20
VALIDATION_ROWS_PER_CODE = 5
"""Minimum number of training rows and of validation rows per code of a codebook."""

MAX_CODEBOOK_SIZE = 512
"""Maximum number of codes of a codebook for any number of rows."""

CAP_FRACTIONS = (1.0, 0.7, 0.5, 0.35)
"""Fractions of the maximum codebook size that are tried in this order, until the utilization meets its target."""

BIT_FRACTIONS = (0.7, 0.5, 0.35)
"""Fractions of the initial bits that are tried in this order, until the utilization meets its target, if no sizes are
expected to meet the target quality."""

UTILIZATION_MARGIN = 0.04
"""Margin by which the expected utilization has to exceed its target, because there are few validation rows.

The quality needs no margin: it is overestimated by the trials, but the initialization of the final model has a higher
quality, because it is fitted on more rows in more rounds.
"""

MAX_TARGET_QUALITY = 0.99
"""Maximum target quality for the Gaussian rate, which is infinite for a quality of 1."""

NEAR_LIMIT = 0.9
"""Sizes that use more than this fraction of max_bits are treated as limited by it, since larger sizes may not fit."""


def max_codebook_size(rows: int, validation_rows: int) -> int:
    """Return the maximum number of codes of a codebook for these numbers of training and validation rows."""
    return min(MAX_CODEBOOK_SIZE, max(2, min(rows // ROWS_PER_CODE, validation_rows // VALIDATION_ROWS_PER_CODE)))


class CodebookSizeSearch:
    """Comparison of partitions, and search for codebook sizes.

    Parameters
    ----------
    rows
        Training rows [n, D] in normalized units.
    holdout
        Indices of the rows to fit on and of the held-out rows.
    settings
        Assignment, targets, limits and configured sizes.
    reference
        Gaussian reference, of which the search uses only the covariance of the training rows.
    validation_rows
        Number of validation rows, on which the utilization will be measured.
    seed
        Seed of the trials.
    to_z_scores
        Conversion of rows [m, D] from normalized units to those of the target quality.
    """

    def __init__(
        self,
        rows: Tensor,
        holdout: Holdout,
        settings: ModelSettings,
        reference: GaussianReference,
        *,
        validation_rows: int,
        seed: int,
        to_z_scores: Conversion,
    ) -> None:
        self.trials = Trials(rows, holdout, validation_rows=validation_rows, seed=seed, to_z_scores=to_z_scores)
        self.gaussian_rate = reference.training_bits(min(MAX_TARGET_QUALITY, settings.target_quality))
        self.num_rows = rows.shape[0]
        self.settings = settings
        self.assignment = assignment_of(settings.assignment)
        self.required_quality = self.assignment.required_quality(settings.target_quality)

    @property
    def cap(self) -> int:
        """Maximum number of codes of a codebook for the numbers of rows."""
        return max_codebook_size(self.num_rows, self.trials.validation_rows)

    def rate(self, rate_multiplier: float) -> float:
        """Return ``rate_multiplier`` times the rate of a Gaussian source, at most ``max_bits``, in bits per row."""
        return min(self.settings.max_bits or np.inf, rate_multiplier * self.gaussian_rate)

    def qualities(self, partitions: Sequence[NDArray[np.int64]], rate_multiplier: float = 1.0) -> list[float | None]:
        """Return the normalized quality of partitions at the same rate, by which category discovery selects.

        Parameters
        ----------
        partitions
            Category of each column [D], for each partition.
        rate_multiplier
            Rate in units of the rate of a Gaussian source.

        Returns
        -------
        list of float or None
            None for partitions that need more than ``max_bits``, and for those that the assignment does not try.
        """
        smallest = [self._smallest_spec(_groups_of(labels)) for labels in partitions]
        self.trials.prepare(smallest)
        specs = [self._comparison_spec(spec, self.rate(rate_multiplier)) for spec in smallest]
        limit = max(LEVELS * min(spec.num_categories for spec in specs), self.settings.max_bits or np.inf)
        affordable = [index for index, spec in enumerate(specs) if LEVELS * spec.num_categories <= limit]
        qualities = self.assignment.compare(self.trials, [specs[index] for index in affordable])
        by_index = dict(zip(affordable, qualities, strict=True))
        return [by_index.get(index) for index in range(len(specs))]

    def choose(self, groups: Groups, names: Sequence[str]) -> SizeTrial:
        """Return the trial of the sizes with the fewest bits that are expected to meet the targets.

        If no sizes are expected to meet them, return the trial of those that are nearest to the targets.

        Parameters
        ----------
        groups
            Columns of each category.
        names
            Names of the categories.

        Raises
        ------
        DataError
            ``category_factors`` names a category that does not exist, a codebook is larger than the number of training
            rows, or ``max_bits`` does not suffice for two codes in every codebook.
        """
        configured = configured_codes(self.settings, names, num_rows=self.num_rows, max_codes=self.cap)
        allocation = self.trials.allocation(self._smallest_spec(groups))
        smallest = fill_all([(2, 2, 2)] * len(groups), configured)
        min_bits = total_bits(smallest)
        known: dict[tuple[Triple, ...], SizeTrial] = {}

        def try_sizes(num_codes: list[Triple]) -> SizeTrial:
            sizes = tuple(num_codes)
            if sizes not in known:
                known[sizes] = self.assignment.try_sizes(self.trials, self._spec(groups, num_codes, names))
            return known[sizes]

        def try_bits(bits: float, cap: int) -> SizeTrial:
            allocated = bits
            while total_bits(sizes := fill_all(allocation.sizes(allocated, cap), configured)) > bits:
                if sizes == smallest:
                    break
                allocated = 0.95 * allocated - 0.1  # configured sizes use some of the bits
            return try_sizes(sizes)

        if all(size is not None for sizes in configured for size in sizes):
            return replace(try_sizes(smallest), automatic=False)
        limit = self.settings.max_bits or np.inf
        if min_bits > limit:
            raise DataError(
                f"max_bits = {limit:g}, but {len(groups)} categories need at least {min_bits:.0f} bits, with two codes "
                "in every codebook whose size is not configured",
                remedy="raise max_bits, or set fewer categories (num_categories_auto) or smaller num_codes",
            )
        trials: list[SizeTrial] = []
        start = max(min_bits, self.rate(1.0))
        for fraction in CAP_FRACTIONS:
            cap = max(2, round(fraction * self.assignment.max_codes(self.cap, len(groups))))
            max_bits = max(min_bits, min(limit, total_bits(fill_all([(cap, cap, cap)] * len(groups), configured))))
            trials += BitSearch(partial(try_bits, cap=cap), self.required_quality, max_bits).run(start)
            reached = [trial.bits for trial in trials if trial.quality >= self.required_quality]
            start = min(reached, default=start)
            if not reached:  # fewer bits may raise the utilization
                trials += self._with_fewer_bits(trials, partial(try_bits, cap=cap), min_bits, min(start, max_bits))
            if not reached or any(self.meets(trial) for trial in trials):
                break
        return self.best(trials)

    def _with_fewer_bits(
        self, trials: Sequence[SizeTrial], try_bits: Callable[[float], SizeTrial], min_bits: float, bits: float
    ) -> list[SizeTrial]:
        """Return trials of fewer bits until the utilization meets its target; none for a target quality of 1."""
        added: list[SizeTrial] = []
        for fraction in BIT_FRACTIONS if self.settings.target_quality < 1 else ():
            if any(trial.utilization > UTILIZATION for trial in (*trials, *added)):
                break
            added.append(try_bits(max(min_bits, fraction * bits)))
        return added

    def best(self, trials: Sequence[SizeTrial]) -> SizeTrial:
        """Return the trial with the fewest bits that meets both targets, or else the trial nearest to them."""
        met = [trial for trial in trials if self.meets(trial)]
        return min(met, key=lambda trial: trial.bits) if met else max(trials, key=self._rank)

    def meets(self, trial: SizeTrial) -> bool:
        """Return whether both targets are expected to be met, the utilization with its margin."""
        return self._margin(trial) >= 0

    def _margin(self, trial: SizeTrial) -> float:
        """Return the smaller of the amounts by which both targets are exceeded; negative if one is missed."""
        quality = trial.quality - self.required_quality
        return min(quality, trial.utilization - UTILIZATION - UTILIZATION_MARGIN)

    def _rank(self, trial: SizeTrial) -> tuple[int, float]:
        """Return the number of targets that are met, and the smaller margin."""
        return (trial.quality > self.required_quality) + (trial.utilization > UTILIZATION), self._margin(trial)

    def _smallest_spec(self, groups: Groups) -> ModelSpec:
        """Return the specification of categories with the smallest codebooks, without ``category_factors``."""
        return self._spec(groups, [(2, 2, 2)] * len(groups), ())

    def _comparison_spec(self, spec: ModelSpec, bits: float) -> ModelSpec:
        """Return the specification of ``bits`` bits with which a partition is compared."""
        cap = self.assignment.max_codes(self.cap, spec.num_categories)
        return replace(spec, num_codes=tuple(self.trials.allocation(spec).sizes(bits, cap)))

    def _spec(self, groups: Groups, num_codes: list[Triple], names: Sequence[str]) -> ModelSpec:
        """Return the specification of a trial; the hidden layers have one unit, since a trial does not train them."""
        return ModelSpec(
            category_names=tuple(str(c) for c in range(len(groups))),
            groups=groups,
            embedding_dim=self.settings.embedding_dim,
            hidden_dim=1,
            latent_dims=tuple(configured_latent_dims(self.settings, groups, names)),
            num_codes=tuple(num_codes),
            assignment=self.settings.assignment,
        )


def _groups_of(labels: NDArray[np.int64]) -> Groups:
    """Return the columns of each category, larger ones first; labels list fixed categories first."""
    members = [tuple(np.flatnonzero(labels == c).tolist()) for c in range(int(labels.max()) + 1)]
    return tuple(sorted(members, key=len, reverse=True))
