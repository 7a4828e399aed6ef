"""The residual quantizer of faiss on principal components, if faiss is installed.

Letters: ``n``, ``m`` rows, ``U`` columns.
"""

from __future__ import annotations

import math
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from spinlock.metrics.correlation import principal_axes

Floats = NDArray[np.float64]

MAX_DIMENSIONS, BEAM_WIDTH = 64, 8
"""Maximum number of principal components, and number of prefixes that the beam search keeps."""

MAX_CODE_BITS, ROWS_PER_CODE = 6, 8
"""Maximum bits of one codebook, and minimum number of rows for each of its codes."""


MIN_ROWS = 2 * ROWS_PER_CODE
"""Minimum number of rows of a fit, for two codes."""


def has_faiss() -> bool:
    """Return whether faiss is installed."""
    return find_spec("faiss") is not None


def faiss_quality(fitted: Floats, scored: Floats, bits: float, seed: int) -> tuple[float, float]:
    """Return the bits per row and the quality of a residual quantizer with about ``bits`` bits.

    Parameters
    ----------
    fitted, scored
        Rows [n, U] of the fit, and rows [m, U] that are coded, z-scored.
    bits
        Bits per row; the quantizer has the fewest codebooks that have at least as many.
    seed
        Seed of its k-means.

    Returns
    -------
    bits, quality : float
        Bits per row, and the fraction of the variance of the scored rows that is explained.
    """
    import faiss

    code_bits = int(np.clip(math.log2(len(fitted) / ROWS_PER_CODE), 1, MAX_CODE_BITS))
    axes = principal_axes(fitted, MAX_DIMENSIONS)
    quantizer = faiss.ResidualQuantizer(axes.shape[1], math.ceil(bits / code_bits), code_bits)
    quantizer.train_type = faiss.ResidualQuantizer.Train_default
    quantizer.max_beam_size = BEAM_WIDTH
    quantizer.cp.seed = seed + 1
    quantizer.cp.min_points_per_centroid = 1  # only the threshold of a warning
    quantizer.train(np.ascontiguousarray(fitted @ axes, dtype=np.float32))
    codes = quantizer.compute_codes(np.ascontiguousarray(scored @ axes, dtype=np.float32))
    restored = quantizer.decode(codes).astype(np.float64) @ axes.T
    total = float(np.square(scored).sum())
    quality = 1 - float(np.square(scored - restored).sum()) / total if total > 0 else 1.0
    return float(quantizer.M * code_bits), quality
