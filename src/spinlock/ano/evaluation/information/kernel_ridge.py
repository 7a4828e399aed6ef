"""Kernel ridge regression with leave-one-out selection of the kernel and the penalty.

f(x) = m + (k(x) - mean of k) (H K H + p I)^-1 (y - m), where K is the kernel matrix of the n fit rows, H centers it,
and m is the mean of y. The leave-one-out error of row i is (y_i - f(x_i)) / (1 - h_i) with the leverage h_i. With the
linear kernel this is ridge regression.

Letters: ``n`` fit rows, ``m`` new rows, ``E`` inputs, ``d`` outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

Floats = NDArray[np.float64]

PENALTIES = np.logspace(-5, 2, 29)
"""Penalties that are compared, in units of the mean eigenvalue of the kernel matrix times the number of rows."""

LENGTHS = (0.5, 1.0, 2.0, 4.0)
"""Lengths of the Gaussian kernels that are compared, in units of the median distance of the fit rows."""

MAX_LEVERAGE = 1 - 1e-6


@dataclass(frozen=True)
class Kernel:
    """A kernel of standardized inputs: (x - c) / s, and the length of the Gaussian kernel; 0 for the linear one."""

    center: Floats
    scale: Floats
    length: float

    def __call__(self, x: Floats, y: Floats) -> Floats:
        """Return the kernel matrix [m, n] of rows x [m, E] and y [n, E]."""
        a, b = (x - self.center) / self.scale, (y - self.center) / self.scale
        if self.length:
            return np.asarray(np.exp(-0.5 * cdist(a, b, "sqeuclidean") / self.length**2))
        return np.asarray(a @ b.T / x.shape[1])


def kernels(x: Floats) -> list[Kernel]:
    """Return the kernels to compare for fit rows [n, E]: linear and Gaussian, the inputs scaled or not."""
    deviation = x.std(axis=0)
    own = np.where(deviation > 1e-9 * max(1.0, float(deviation.max())), deviation, np.inf)
    found = []
    for scale in (np.ones(x.shape[1]), own):
        center = x.mean(axis=0)
        a = (x - center) / scale
        distances = cdist(a[:400], a[:400])
        median = float(np.median(distances[distances > 0])) if (distances > 0).any() else 1.0
        found += [Kernel(center, scale, length * median) for length in (0.0, *LENGTHS)]
    return found


@dataclass(frozen=True)
class KernelFit:
    """A fitted regression.

    Attributes
    ----------
    kernel, rows
        Kernel, and the fit rows [n, E].
    coefficients
        Coefficients [n].
    offset
        Constant.
    errors
        Leave-one-out errors [n].
    """

    kernel: Kernel
    rows: Floats
    coefficients: Floats
    offset: float
    errors: Floats

    def predict(self, x: Floats) -> Floats:
        """Return f(x) [m] of rows [m, E]."""
        return np.asarray(self.kernel(x, self.rows) @ self.coefficients + self.offset)


def fit_kernel_ridge(x: Floats, y: Floats) -> list[KernelFit]:
    """Fit each output with the kernel and the penalty that have the smallest mean squared leave-one-out error.

    Parameters
    ----------
    x, y
        Inputs [n, E] and outputs [n, d].

    Returns
    -------
    list of KernelFit
        One for each output.
    """
    by_kernel = [_fits(x, y, kernel) for kernel in kernels(x)]
    return [min(fits, key=lambda fit: float(np.square(fit.errors).sum())) for fits in zip(*by_kernel, strict=True)]


def _fits(x: Floats, y: Floats, kernel: Kernel) -> list[KernelFit]:
    """Fit each output with its best penalty for one kernel."""
    matrix, mean, rows = kernel(x, x), y.mean(axis=0), len(y)
    center = matrix.mean(axis=0)
    values, vectors = np.linalg.eigh(matrix - center - center[:, None] + center.mean())
    values = np.maximum(values, 0)
    projected = vectors.T @ (y - mean)
    squared = vectors**2
    best = [np.inf] * y.shape[1]
    fits: list[KernelFit] = [None] * y.shape[1]  # type: ignore[list-item]
    for penalty in PENALTIES * max(float(values.sum()), 1e-12):
        shrinkage = values / (values + penalty)
        leverage = np.minimum(1 / rows + squared @ shrinkage, MAX_LEVERAGE)
        errors = (y - mean - vectors @ (shrinkage[:, None] * projected)) / (1 - leverage)[:, None]
        for j, error in enumerate(np.square(errors).sum(axis=0).tolist()):
            if error < best[j]:
                best[j] = error
                coefficients = vectors @ (projected[:, j] / (values + penalty))
                coefficients -= coefficients.mean()  # so that k needs no centering of its rows
                offset = float(mean[j] - center @ coefficients)
                fits[j] = KernelFit(kernel, x, coefficients, offset, errors[:, j])
    return fits
