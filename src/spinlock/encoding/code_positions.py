"""Positions of the codes of a tokenizer: codes that decode to similar features are near each other.

The vector of a code is what it adds to a decoded row in the linear part of the decoder, or its joint vector. The
positions are the coordinates of these vectors along their principal axes, so that the sum of the positions of the
tokens of a row approximates its decoded features. They let another model read tokens without the tokenizer.

Letters: ``J`` codes of all codebooks together, ``U`` columns, ``P`` axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spinlock.encoding.row_codec import RowCodec
from spinlock.metrics.correlation import is_wide
from spinlock.runtime.isolation import isolated

Floats = NDArray[np.float64]

MAX_AXES = 64
"""Maximum number of axes P."""

MIN_RELATIVE_VALUE = 1e-12
"""Axes whose eigenvalue is below this fraction of the largest one are rounding errors."""


def code_positions(codec: RowCodec) -> NDArray[np.float32]:
    """Return the positions [J, P] of the codes, in the order of the token columns and of the codes of each."""
    with isolated(codec.device):
        books = [book.cpu().double().numpy() for levels in codec.codec.code_vectors() for book in levels]
    centered = np.concatenate([book - book.mean(axis=0) for book in books])  # [J, U]
    largest = _principal_axes(centered)
    signs = np.sign(largest[np.abs(largest).argmax(axis=0), np.arange(largest.shape[1])])  # the same on each machine
    return np.asarray(np.concatenate(books) @ (largest * signs), dtype=np.float32)


def _principal_axes(centered: Floats) -> Floats:
    """Return the at most :data:`MAX_AXES` leading axes [U, P] of code vectors [J, U], the largest first.

    A wide table has fewer codes than columns. Its axes follow from the products [J, J] of the codes.
    """
    codes, columns = centered.shape
    if is_wide(columns) and codes < columns:
        values, vectors = np.linalg.eigh(centered @ centered.T)
        kept = np.flatnonzero(values > MIN_RELATIVE_VALUE * values[-1])[::-1][:MAX_AXES]
        return np.asarray(centered.T @ (vectors[:, kept] / np.sqrt(values[kept])))
    axes = np.linalg.eigh(centered.T @ centered)[1]
    return np.asarray(axes[:, ::-1][:, :MAX_AXES])
