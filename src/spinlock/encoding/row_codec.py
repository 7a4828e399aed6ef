"""A trained model for raw rows: cleaning and encoding, decoding and restoring raw units.

Letters: ``n`` rows, ``D`` input columns, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.checkpoint.record import Checkpoint
from spinlock.errors import DataError
from spinlock.model import ModelSpec
from spinlock.model.codec import BLOCK, Codec, make_codec
from spinlock.runtime.precision import full_precision
from spinlock.runtime.threads import parallel_map


@dataclass(frozen=True)
class EncodedBlock:
    """The tokens of n rows, and how far each row can be trusted.

    Attributes
    ----------
    indices
        Tokens [n, 3C].
    error
        Mean squared reconstruction error [n] in normalized units.
    percentile
        Percentage [n] of the validation rows with a smaller error.
    clipped, imputed
        Fractions [n] of the row's cells that were clipped or imputed.
    near_tie
        Whether another device may choose another code [n].
    """

    indices: NDArray[np.int64]
    error: NDArray[np.float32]
    percentile: NDArray[np.float32]
    clipped: NDArray[np.float64]
    imputed: NDArray[np.float64]
    near_tie: NDArray[np.bool_]


@dataclass(frozen=True)
class RowCodec:
    """A trained model for raw rows: its checkpoint, which knows the cleaning, and the codec of its network."""

    checkpoint: Checkpoint
    codec: Codec
    device: torch.device

    @classmethod
    def of(cls, checkpoint: Checkpoint, device: torch.device) -> RowCodec:
        """The best model of a checkpoint on a device."""
        return cls(checkpoint, make_codec(checkpoint.build_model(device)), device)

    def encode(self, rows: NDArray[np.float32]) -> EncodedBlock:
        """Tokens of raw rows [n, D] with errors and fractions of mended cells."""
        errors = self.checkpoint.validation.errors.numpy()

        def encode(block: NDArray[np.float32]) -> EncodedBlock:
            cleaned = self.checkpoint.cleaner.transform(block)
            encoded = self.codec.encode_block(torch.from_numpy(cleaned.values).to(self.device))
            error = encoded.error.cpu().numpy()
            rank = np.searchsorted(errors, error, side="left")
            return EncodedBlock(
                indices=encoded.indices.flatten(1).cpu().numpy(),
                error=error,
                percentile=(100.0 * rank / max(1, len(errors))).astype(np.float32),
                clipped=cleaned.clipped,
                imputed=cleaned.imputed,
                near_tie=encoded.near_tie.cpu().numpy(),
            )

        starts = range(0, max(1, len(rows)), BLOCK)
        with full_precision():
            blocks = parallel_map(encode, [rows[start : start + BLOCK] for start in starts], self.device)
        columns = {f.name: np.concatenate([getattr(block, f.name) for block in blocks]) for f in fields(EncodedBlock)}
        return EncodedBlock(**columns)

    def decode(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Raw rows [n, D] of tokens [n, C, l], any prefix of the levels."""
        decoded = self.codec.decode(torch.from_numpy(indices).to(self.device))
        return self.checkpoint.cleaner.inverse_transform(decoded.cpu().numpy())


def check_tokens(tokens: Any, spec: ModelSpec) -> NDArray[np.int64]:
    """Tokens [N, 3C] or [N, M, 3C] as int64, if they are tokens of a network with these sizes.

    Raises
    ------
    DataError
        No integers, another number of columns, or a token beyond its codebook.
    """
    indices = np.asarray(tokens.cpu() if isinstance(tokens, torch.Tensor) else tokens)
    if indices.dtype.kind not in "iu":
        raise DataError(f"tokens are of type {indices.dtype}", expected="integers")
    indices = indices.astype(np.int64)
    sizes = np.array([size for sizes in spec.num_codes for size in sizes])
    if indices.ndim < 2 or indices.shape[-1] != len(sizes):
        raise DataError(f"tokens have shape {list(indices.shape)}", expected=f"[N, {len(sizes)}]")
    flat = indices.reshape(-1, len(sizes))
    outside = np.argwhere((flat < 0) | (flat >= sizes))
    if len(outside):
        row, column = outside[0].tolist()
        name = spec.token_columns()[column]
        raise DataError(f"token column {name} holds {flat[row, column]}", expected=f"0 to {sizes[column] - 1}")
    return indices
