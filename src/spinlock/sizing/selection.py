"""Joint selection of the categories and their codebook sizes.

Partitions of the columns are compared by the quality of their codes on held-out rows, at the rate that a Gaussian
source needs for the target quality. Codebook sizes are then selected for the best partition. If these sizes are not
expected to meet the targets, partitions are compared again at twice the rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.categories import Candidate
from spinlock.categories.proposal import Categorization, Proposal
from spinlock.model.spec import Groups
from spinlock.sizing.bit_allocation import Triple, total_bits
from spinlock.sizing.search import CodebookSizeSearch
from spinlock.sizing.trials import SizeTrial

RATE_MULTIPLIERS = (1.0, 2.0)
"""Rates at which partitions are compared, in units of the rate of a Gaussian source. The second rate is used if the
sizes for the first one are not expected to meet the targets."""


@dataclass(frozen=True)
class CandidateSummary:
    """Scores of one partition of the columns; see :class:`~spinlock.categories.candidates.Candidate`."""

    num_categories: int
    distance: str
    merged_cosine: float
    cosine: float
    adjustable_cosine: float
    moves: int
    largest_fraction: float
    silhouette: float
    quality: float | None = None

    @classmethod
    def of(cls, candidate: Candidate) -> CandidateSummary:
        """Create the summary of a candidate: its scores without its labels."""
        return cls(
            num_categories=candidate.num_categories,
            distance=candidate.distance,
            merged_cosine=candidate.merged_cosine,
            cosine=candidate.cosine,
            adjustable_cosine=candidate.adjustable_cosine,
            moves=candidate.moves,
            largest_fraction=candidate.largest_fraction,
            silhouette=candidate.silhouette,
            quality=candidate.quality,
        )

    def rounded(self) -> dict[str, float | int | str | None]:
        """Return the scores by name, rounded to four decimals, for a text file."""
        return {name: round(v, 4) if isinstance(v, float) else v for name, v in asdict(self).items()}


@dataclass(frozen=True)
class SelectionSummary:
    """Scores on which a selection is based.

    Attributes
    ----------
    target
        Upper limit of the largest centroid cosine (``orthogonality_target``).
    meets_target
        Whether there are at least two categories and their largest centroid cosine is below the target.
    chosen
        Scores of the selected partition.
    candidates
        Scores of all candidate partitions.
    ridge
        Strength of the decoder's ridge regression, in units of the number of rows.
    expected_quality
        Fraction of variance explained on held-out training rows in the trial of the sizes, in z-scored units.
    expected_utilization
        Expected fraction of codes that occur among the validation rows.
    automatic
        Whether codebook sizes were selected automatically; False if the configuration sets all of them.
    comparison_rate
        Rate at which partitions were compared, in units of the rate of a Gaussian source.
    expected_rank_quality
        Rank quality on held-out training rows in the trial of the sizes; None in a checkpoint of an earlier version.
    notes
        Remarks on the mapping file.
    """

    target: float
    meets_target: bool
    chosen: CandidateSummary
    candidates: tuple[CandidateSummary, ...]
    ridge: float
    expected_quality: float
    expected_utilization: float
    automatic: bool
    comparison_rate: float
    expected_rank_quality: float | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as nested dictionaries and lists of numbers and strings, for a checkpoint."""
        return asdict(self) | {
            "candidates": [asdict(candidate) for candidate in self.candidates],
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SelectionSummary:
        """Restore a summary from the result of :meth:`to_dict`.

        Raises
        ------
        LookupError, TypeError
            A value is missing or unknown.
        """
        return cls(
            **{
                **values,
                "chosen": CandidateSummary(**values["chosen"]),
                "candidates": tuple(CandidateSummary(**candidate) for candidate in values["candidates"]),
                "notes": tuple(values["notes"]),
            }
        )


@dataclass(frozen=True)
class Selection:
    """Selected categories of a model and their codebook sizes.

    Attributes
    ----------
    category_names
        Names of the C categories, in descending order of size.
    groups
        Indices of the columns of each category among the kept columns.
    num_codes, latent_dims
        Number of codes and latent width of each category and level [C][3].
    summary
        Scores on which the selection is based.
    """

    category_names: tuple[str, ...]
    groups: Groups
    num_codes: tuple[Triple, ...]
    latent_dims: tuple[Triple, ...]
    summary: SelectionSummary

    @property
    def bits(self) -> float:
        """Bits per row: the sum of log2 K over all codebooks."""
        return total_bits(self.num_codes)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Category of each kept column [D]."""
        labels = np.empty(sum(len(group) for group in self.groups), dtype=np.int64)
        for category, group in enumerate(self.groups):
            labels[list(group)] = category
        return labels


def select(proposal: Proposal, search: CodebookSizeSearch, comparison_rate: float | None = None) -> Selection:
    """Select the partition that is best at the rate of a Gaussian source, and its codebook sizes.

    If its sizes are not expected to meet the targets, sizes are also searched for the partition that is best at twice
    the rate, and the better result of the two is selected.

    Parameters
    ----------
    proposal
        Candidate partitions of the columns.
    search
        Search for codebook sizes on training rows.
    comparison_rate
        The only rate at which partitions are compared, in units of the rate of a Gaussian source; None for the rates
        :data:`RATE_MULTIPLIERS`.

    Returns
    -------
    Selection

    Raises
    ------
    DataError
        ``category_factors`` names a category that does not exist, a codebook is larger than the number of training
        rows, or ``max_bits`` does not suffice.
    """
    factors, category_factors = search.settings.factors, search.settings.category_factors
    rates = RATE_MULTIPLIERS if comparison_rate is None else (comparison_rate,)
    options: list[tuple[float, Categorization, SizeTrial]] = []
    for rate in rates:
        categories = proposal.choose(partial(search.qualities, rate_multiplier=rate))
        last = search.rate(rate) >= search.rate(rates[-1]) or len(categories.discovery.candidates) == 1
        if category_factors is not None and not last and not category_factors.keys() <= {*categories.names}:
            continue
        if categories.groups not in [earlier.groups for _, earlier, _ in options]:
            options.append((rate, categories, search.choose(categories.groups, categories.names)))
        if last or factors is not None or category_factors is not None or search.meets(options[-1][2]):
            break
    best = search.best([trial for _, _, trial in options])
    return _selection(*next(option for option in options if option[2] is best))


def _selection(rate: float, categories: Categorization, trial: SizeTrial) -> Selection:
    """Create the selection of a partition and of the sizes of a trial."""
    discovery = categories.discovery
    summary = SelectionSummary(
        target=discovery.target,
        meets_target=discovery.meets_target,
        chosen=CandidateSummary.of(discovery.chosen),
        candidates=tuple(CandidateSummary.of(candidate) for candidate in discovery.candidates),
        ridge=trial.ridge,
        expected_quality=trial.quality,
        expected_utilization=trial.utilization,
        automatic=trial.automatic,
        comparison_rate=rate,
        expected_rank_quality=trial.rank_quality,
        notes=categories.notes,
    )
    return Selection(categories.names, categories.groups, trial.num_codes, trial.latent_dims, summary)
