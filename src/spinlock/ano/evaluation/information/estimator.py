"""A posterior from a vector: kernel ridge regression, Gaussian errors with a full covariance, and the prior.

p(z | x) = (1 - w) N(z; f(x), t C) + w N(z; 0, I). f is fitted on the training operators of a family, C is the
covariance of its leave-one-out errors, and t and w have the largest likelihood on the validation operators. The same
estimator is used for each representation of the operators, so that differences are due to the representation.

Letters: ``n`` operators of a family, ``E`` inputs, ``d`` parameters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.ano.density.mixture import GaussianMixture
from spinlock.ano.evaluation.information.kernel_ridge import KernelFit, fit_kernel_ridge
from spinlock.ano.evaluation.posteriors import information_bits

Floats = NDArray[np.float64]

MIN_ROWS = 20
"""Minimum number of training operators with a parameter; with fewer its prediction is the prior."""

VARIANCE_FACTORS = (0.8, 1.0, 1.25, 1.6, 2.0)
PRIOR_WEIGHTS = (0.01, 0.03, 0.1, 0.3, 0.6, 1.0)
"""Values of t and w that are compared."""

MIN_VARIANCE = 0.02**2
"""Smallest variance of the errors, in units of the prior variance."""


@dataclass(frozen=True)
class VectorPosterior:
    """The posterior of the parameters of one family.

    Attributes
    ----------
    fits
        Regression of each parameter; None for the prior.
    factor
        Cholesky factor [d, d] of t C.
    prior_weight
        w.
    """

    fits: tuple[KernelFit | None, ...]
    factor: Floats
    prior_weight: float

    def density(self, x: Floats) -> GaussianMixture:
        """Return the density of z for each row [n, E]."""
        rows, size = len(x), len(self.fits)
        means = np.stack([np.zeros(rows) if fit is None else fit.predict(x) for fit in self.fits], axis=1)
        weights = [math.log(max(1 - self.prior_weight, 1e-300)), math.log(self.prior_weight)]
        factors = torch.from_numpy(np.stack([self.factor, np.eye(size)]))
        return GaussianMixture(
            torch.tensor(weights, dtype=torch.float64).expand(rows, 2),
            torch.from_numpy(np.stack([means, np.zeros_like(means)], axis=1)),
            factors.expand(rows, 2, size, size),
        )

    def information_bits(self, x: Floats, truth: Floats) -> Floats:
        """Return log2 p(z | x) - log2 p0(z) [n] at z [n, d], NaN for absent parameters."""
        return information_bits(self.density(x), truth)


def fit_posterior(train: tuple[Floats, Floats], validation: tuple[Floats, Floats]) -> VectorPosterior:
    """Fit the posterior of one family.

    Parameters
    ----------
    train, validation
        Inputs [n, E] and z [n, d] of the training and of the validation operators; NaN for absent parameters.
    """
    x, z = train
    fits, errors = _regressions(x, z)
    covariance = _covariance(errors)
    candidates = [
        VectorPosterior(fits, _cholesky(factor * covariance), weight)
        for factor, weight in product(VARIANCE_FACTORS, PRIOR_WEIGHTS)
    ]
    if not len(validation[0]):
        return VectorPosterior(fits, _cholesky(covariance), PRIOR_WEIGHTS[1])
    return max(candidates, key=lambda posterior: float(posterior.information_bits(*validation).mean()))


def _regressions(x: Floats, z: Floats) -> tuple[tuple[KernelFit | None, ...], Floats]:
    """Return the regression of each parameter, and its leave-one-out errors [n, d]."""
    known = np.isfinite(z)
    fits: list[KernelFit | None] = [None] * z.shape[1]
    errors = z.copy()
    masks, group = np.unique(known, axis=1, return_inverse=True)
    for number, rows in enumerate(masks.T):
        if rows.sum() < MIN_ROWS:
            continue
        columns = np.flatnonzero(group == number).tolist()
        for column, each in zip(columns, fit_kernel_ridge(x[rows], z[np.ix_(rows, columns)]), strict=True):
            fits[column] = each
            errors[rows, column] = each.errors
    return tuple(fits), errors


def _cholesky(covariance: Floats) -> Floats:
    return np.linalg.cholesky(covariance).astype(np.float64)


def _covariance(errors: Floats) -> Floats:
    """Return the covariance matrix [d, d] of errors [n, d] with mean 0; diagonal if too few rows are complete."""
    size = errors.shape[1]
    complete = errors[np.isfinite(errors).all(axis=1)]
    if len(complete) >= size + MIN_ROWS:
        return complete.T @ complete / len(complete) + MIN_VARIANCE * np.eye(size)
    counts = np.maximum(np.isfinite(errors).sum(axis=0), 1)
    variance = np.where(counts >= MIN_ROWS, np.nansum(errors**2, axis=0) / counts, 1.0)
    return np.asarray(np.diag(variance + MIN_VARIANCE))
