"""Trials of codebook sizes: codes are fitted on one part of the training rows and evaluated on the other part.

Letters: ``n`` rows, ``m`` held-out rows, ``D`` columns, ``C`` categories.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.initialization.closed_form import fit_bases
from spinlock.initialization.neighbor_interpolation import interpolate_neighbors
from spinlock.initialization.ridge import Basis, axis_variances
from spinlock.metrics.correlation import is_wide
from spinlock.metrics.ranks import DistributionFunction, distribution_function, rank_squared_sums
from spinlock.metrics.reconstruction import fraction_explained
from spinlock.model.spec import Groups, ModelSpec
from spinlock.preprocessing.holdout import Holdout
from spinlock.preprocessing.ranks import MAX_STEPS
from spinlock.runtime.threads import parallel_map
from spinlock.sizing.bit_allocation import BitAllocation, Triple, total_bits

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
        self._rows = rows
        self.fit_rows = rows[torch.from_numpy(_random_subset(holdout.fit, MAX_FIT_ROWS, rng))]
        self.held_out = rows[torch.from_numpy(_random_subset(holdout.held_out, MAX_HELD_OUT_ROWS, rng))]
        self.validation_rows = validation_rows
        self.seed = seed
        self.device = rows.device
        self._to_z_scores = to_z_scores
        self._bases: dict[Groups, list[Basis]] = {}
        self._spectra: dict[tuple[int, ...], NDArray[np.float64]] = {}

    @cached_property
    def augmented_rows(self) -> Tensor:
        """Rows to fit on and interpolated points, for joint codes."""
        return interpolate_neighbors(self.fit_rows, self.seed, max_points_per_row=MAX_POINTS_PER_ROW).flatten(0, 1)

    def bases(self, spec: ModelSpec) -> list[Basis]:
        """Return the principal axes of the categories. They are cached, since they do not depend on codebook sizes."""
        if spec.groups not in self._bases:
            self._bases[spec.groups] = fit_bases(self.fit_rows, spec)
        return self._bases[spec.groups]

    def prepare(self, specs: Sequence[ModelSpec]) -> None:
        """Fit the principal axes of the specifications of a wide table in parallel."""
        if specs and is_wide(specs[0].num_columns):
            parallel_map(self.bases, specs, self.device)

    def allocation(self, spec: ModelSpec) -> BitAllocation:
        """Return the allocation of bits to the categories of a specification.

        The eigenvalues are those of the covariance of all training rows. In a wide table they are the variances along
        the principal axes, since an embedding has no others. They are cached, since they do not depend on the sizes.
        """
        if is_wide(spec.num_columns):
            return BitAllocation(axis_variances(self.fit_rows, self.bases(spec)))
        missing = [group for group in spec.groups if group not in self._spectra]
        self._spectra.update(zip(missing, BitAllocation.of(self._covariance, missing).spectra, strict=True))
        return BitAllocation(tuple(self._spectra[group] for group in spec.groups))

    @cached_property
    def _covariance(self) -> NDArray[np.float64]:
        """Covariance [D, D] of all training rows."""
        covariance = (self._rows.double().t() @ self._rows.double() / len(self._rows)).cpu().numpy()
        return np.asarray(covariance, dtype=np.float64)

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
