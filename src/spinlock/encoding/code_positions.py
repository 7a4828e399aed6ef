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
from spinlock.runtime.isolation import isolated

MAX_AXES = 64
"""Maximum number of axes P."""


def code_positions(codec: RowCodec) -> NDArray[np.float32]:
    """Return the positions [J, P] of the codes, in the order of the token columns and of the codes of each."""
    with isolated(codec.device):
        books = [book.cpu().double().numpy() for levels in codec.codec.code_vectors() for book in levels]
    centered = np.concatenate([book - book.mean(axis=0) for book in books])  # [J, U]
    values, axes = np.linalg.eigh(centered.T @ centered)
    largest = axes[:, ::-1][:, : min(MAX_AXES, len(values))]
    signs = np.sign(largest[np.abs(largest).argmax(axis=0), np.arange(largest.shape[1])])  # the same on each machine
    return np.asarray(np.concatenate(books) @ (largest * signs), dtype=np.float32)
