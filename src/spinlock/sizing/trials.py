"""Trials of codebook sizes: codes are fitted on one part of the training rows and evaluated on the other part.

Letters: ``n`` rows, ``m`` held-out rows, ``D`` columns, ``C`` categories.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.initialization.closed_form import Basis, fit_bases
from spinlock.initialization.neighbor_interpolation import interpolate_neighbors
from spinlock.metrics.ranks import DistributionFunction, distribution_function, rank_squared_sums
from spinlock.metrics.reconstruction import fraction_explained
from spinlock.model.spec import Groups, ModelSpec
from spinlock.preprocessing.holdout import Holdout
from spinlock.preprocessing.ranks import MAX_STEPS
from spinlock.sizing.bit_allocation import Triple, total_bits

Conversion = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Conversion of rows [m, D] between units."""

MAX_FIT_ROWS = 4096
MAX_HELD_OUT_ROWS = 2048
"""Maximum numbers of rows of both parts in a trial, since a search makes many trials."""

MAX_POINTS_PER_ROW = 3
"""Maximum number of points for each row, including the row itself, on which a trial fits joint codes."""


@dataclass(frozen=True)
class SizeTrial:
    """Codebook sizes, and the metrics of a trial of them.

    Attributes
    ----------
    num_codes, latent_dims
        Number of codes and latent width of each category and level [C][3].
    ridge
        Strength of the decoder's ridge regression, in units of the number of rows.
    quality
        Fraction of variance explained on held-out rows in z-scored, clipped units, those of the reported quality.
    normalized_quality
        The same in normalized units, which differ for heavy-tailed columns. A few extreme rows have less weight in it,
        so that it varies less between hold-outs. Partitions and ridge strengths are compared by it.
    rank_quality
        The same after each column is replaced by its rank among the rows of the fit.
    utilization
        Expected fraction of codes that occur among the validation rows.
    automatic
        False if the configuration sets all sizes.
    """

    num_codes: tuple[Triple, ...]
    latent_dims: tuple[Triple, ...]
    ridge: float
    quality: float
    normalized_quality: float
    rank_quality: float
    utilization: float
    automatic: bool = True

    @property
    def bits(self) -> float:
        """Bits per row: the sum of log2 K over all codebooks."""
        return total_bits(self.num_codes)


class Trials:
    """Rows of a trial, split into rows to fit on and held-out rows, and the metrics of a trial.

    Parameters
    ----------
    rows
        Training rows [n, D] in normalized units.
    holdout
        Indices of the rows of both parts. A random subset is used of a large part.
    validation_rows
        Number of validation rows, on which the utilization will be measured.
    seed
        Seed of the subsets and of the fits.
    to_z_scores
        Conversion of rows [m, D] from normalized to z-scored, clipped units.
    """

    def __init__(
        self, rows: Tensor, holdout: Holdout, *, validation_rows: int, seed: int, to_z_scores: Conversion
    ) -> None:
        rng = np.random.default_rng([seed, 2])
        self.fit_rows = rows[torch.from_numpy(_random_subset(holdout.fit, MAX_FIT_ROWS, rng))]
        self.held_out = rows[torch.from_numpy(_random_subset(holdout.held_out, MAX_HELD_OUT_ROWS, rng))]
        self.validation_rows = validation_rows
        self.seed = seed
        self.device = rows.device
        self._to_z_scores = to_z_scores
        self._bases: dict[Groups, list[Basis]] = {}

    @cached_property
    def augmented_rows(self) -> Tensor:
        """Rows to fit on and interpolated points, for joint codes."""
        return interpolate_neighbors(self.fit_rows, self.seed, max_points_per_row=MAX_POINTS_PER_ROW).flatten(0, 1)

    def bases(self, spec: ModelSpec) -> list[Basis]:
        """Return the principal axes of the categories. They are cached, since they do not depend on codebook sizes."""
        if spec.groups not in self._bases:
            self._bases[spec.groups] = fit_bases(self.fit_rows, spec)
        return self._bases[spec.groups]

    @cached_property
    def _z_scored_held_out(self) -> Tensor:
        """Held-out rows [m, D] in z-scored, clipped units."""
        return self._z_scored(self.held_out)

    def _z_scored(self, rows: Tensor) -> Tensor:
        return torch.from_numpy(self._to_z_scores(rows.cpu().numpy()))

    def quality(self, reconstruction: Tensor) -> float:
        """Return the fraction of variance explained of the held-out rows by a reconstruction [m, D], in z-scores."""
        return _fraction_explained(self._z_scored_held_out, self._z_scored(reconstruction))

    def normalized_quality(self, reconstruction: Tensor) -> float:
        """Return the fraction of variance explained of the held-out rows by a reconstruction [m, D], as they are."""
        return _fraction_explained(self.held_out, reconstruction)

    @cached_property
    def _rank_functions(self) -> list[DistributionFunction]:
        """Distribution functions of the D columns on the rows to fit on, in normalized units."""
        columns = self.fit_rows.t().cpu().double().sort().values.numpy()
        return [distribution_function(column, MAX_STEPS) for column in columns]

    def rank_quality(self, reconstruction: Tensor) -> float:
        """Return the rank quality of the held-out rows and a reconstruction [m, D].

        Normalization is monotone, so that ranks in normalized units are those in raw units.
        """
        rows, restored = self.held_out.cpu().numpy(), reconstruction.cpu().numpy()
        return fraction_explained(*rank_squared_sums(rows, restored, self._rank_functions))

    def expected_use(self, probability: Tensor) -> Tensor:
        """Return 1 - (1 - p)^N, the probability that a code of probability p occurs among N validation rows."""
        return 1 - (1 - probability) ** self.validation_rows


def _fraction_explained(rows: Tensor, reconstruction: Tensor) -> float:
    power = rows.square().sum().clamp(min=1e-12)
    return float(1 - (rows - reconstruction).square().sum() / power)


def _random_subset(positions: NDArray[np.int64], limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return at most ``limit`` of the positions, sorted."""
    return positions if len(positions) <= limit else np.sort(rng.permutation(positions)[:limit])
