"""Encoding of raw rows (cleaning, then the codec), and decoding to raw units.

Letters: ``n`` rows, ``D`` input columns, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.arguments import checked_integer
from spinlock.checkpoint.format import REMEDY
from spinlock.checkpoint.record import Checkpoint
from spinlock.errors import CheckpointError, DataError
from spinlock.io.arrays import token_values
from spinlock.io.arrays.row_precision import RawRows
from spinlock.model import LEVELS, ModelSpec
from spinlock.model.codec import BLOCK, Codec, make_codec
from spinlock.preprocessing.cleaned_rows import ColumnRanges
from spinlock.runtime.isolation import isolated
from spinlock.runtime.threads import parallel_map


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class EncodedBlock:
    """The tokens of n rows, and the quality of the reconstruction of each row.

    Attributes
    ----------
    indices
        Tokens [n, 3C].
    error
        Mean squared reconstruction error [n] in normalized units.
    percentile
        Percentage [n] of the validation rows with a smaller error.
    clipped, imputed
        Fractions [n] of the cells of a row that were clipped or imputed; dropped columns do not count.
    near_tie
        Whether two codes are almost equally near, so that another device can choose the other one, [n].
    ranges
        Clipped and missing cells, and ranges, of the kept columns.
    """

    indices: NDArray[np.int64]
    error: NDArray[np.float32]
    percentile: NDArray[np.float32]
    clipped: NDArray[np.float64]
    imputed: NDArray[np.float64]
    near_tie: NDArray[np.bool_]
    ranges: ColumnRanges

    @classmethod
    def joined(cls, blocks: list[Self]) -> Self:
        """Return several blocks as one."""
        arrays = {f.name: [getattr(block, f.name) for block in blocks] for f in fields(cls)}
        ranges = ColumnRanges.joined(arrays.pop("ranges"))
        return cls(**{name: np.concatenate(parts) for name, parts in arrays.items()}, ranges=ranges)

    def split(self, size: int) -> tuple[Self, Self]:
        """Return the first ``size`` rows and the other rows. The first part keeps all ranges of the columns."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "ranges"}
        first, rest = (
            {name: values[part] for name, values in arrays.items()} for part in (slice(size), slice(size, None))
        )
        return type(self)(**first, ranges=self.ranges), type(self)(**rest, ranges=self.ranges.none())


@dataclass(frozen=True)
class RowCodec:
    """A trained model for raw rows.

    Parameters
    ----------
    checkpoint
        The checkpoint, which also contains the cleaning.
    codec
        The codec of the network, for cleaned rows.
    device
        Device of the codec.
    """

    checkpoint: Checkpoint
    codec: Codec
    device: torch.device

    @classmethod
    def of(cls, checkpoint: Checkpoint, device: torch.device) -> RowCodec:
        """Create the codec of the best model of a checkpoint on a device."""
        return cls(checkpoint, make_codec(checkpoint.build_model(device)), device)

    def encode(self, rows: RawRows) -> EncodedBlock:
        """Encode raw rows [n, D], with their errors and their fractions of clipped and imputed cells."""
        with isolated(self.device):
            errors = self.checkpoint.validation.errors.numpy()

        def encode(block: RawRows) -> EncodedBlock:
            cleaned = self.checkpoint.cleaner.transform(block)
            encoded = self.codec.encode_block(torch.from_numpy(cleaned.values).to(self.device))
            error = encoded.error.cpu().numpy()
            if not np.isfinite(error).all():
                what = "gives reconstruction errors that are not finite"
                raise CheckpointError(what, where=str(self.checkpoint.path), remedy=REMEDY)
            rank = np.searchsorted(errors, error, side="left")
            return EncodedBlock(
                indices=encoded.indices.flatten(1).cpu().numpy(),
                error=error,
                percentile=(100.0 * rank / max(1, len(errors))).astype(np.float32),
                clipped=cleaned.clipped,
                imputed=cleaned.imputed,
                near_tie=encoded.near_tie.cpu().numpy(),
                ranges=cleaned.ranges,
            )

        starts = range(0, max(1, len(rows)), BLOCK)
        with isolated(self.device), torch.no_grad():
            blocks = parallel_map(encode, [rows[start : start + BLOCK] for start in starts], self.device)
        return EncodedBlock.joined(blocks)

    def decode(self, indices: NDArray[np.int64]) -> RawRows:
        """Decode the tokens of the first l levels, [n, C, l], to rows [n, D] in raw units."""
        with isolated(self.device), torch.no_grad():
            decoded = self.codec.decode(torch.from_numpy(indices).to(self.device)).cpu().numpy()
        return self.checkpoint.cleaner.inverse_transform(decoded)

    def decode_z_scores(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Decode the tokens of the first l levels, [n, C, l], to z-scores of the kept columns [n, U]."""
        with isolated(self.device), torch.no_grad():
            decoded = self.codec.decode(torch.from_numpy(indices).to(self.device)).cpu().numpy()
        return self.checkpoint.cleaner.to_z_scores(decoded)

    def distance_points(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the points [n, E] between which distances in token space are measured, from tokens [n, C, l].

        They are the quantized latents, or the decoded z-scores for a model with joint assignment.
        """
        with isolated(self.device), torch.no_grad():
            decoded = torch.from_numpy(self.decode_z_scores(indices)).to(self.device)
            points: NDArray[np.float32] = (
                self.codec.distance_points(torch.from_numpy(indices).to(self.device), decoded).cpu().numpy()
            )
        return points

    def decode_tokens(self, tokens: Any, levels: int = LEVELS) -> RawRows:
        """Decode integers [N, 3C] or [N, M, 3C] to features [N, D] or [N, M, D] in raw units, after a check.

        Parameters
        ----------
        tokens
            Tokens of all levels: an array, a tensor, or a data frame, whose columns are matched by name.
        levels
            Number of levels of each category to use, 1 to 3.

        Raises
        ------
        DataError
            The tokens do not belong to this model, or ``levels`` is not an integer from 1 to 3.
        """
        levels = checked_integer("levels", levels, minimum=1, maximum=LEVELS)
        indices = check_tokens(tokens, self.checkpoint.spec)
        triples = indices.reshape(-1, indices.shape[-1] // LEVELS, LEVELS)[..., :levels].copy()
        rows = self.decode(triples)
        return rows.reshape(*indices.shape[:-1], rows.shape[-1])


def check_tokens(tokens: Any, spec: ModelSpec) -> NDArray[np.int64]:
    """Convert tokens to int64 after a check.

    Parameters
    ----------
    tokens
        Integers [N, 3C] or [N, M, 3C]: an array, a tensor, or a data frame, whose columns are matched by name.
    spec
        Sizes of the network.

    Returns
    -------
    ndarray
        int64, with the shape of ``tokens``.

    Raises
    ------
    DataError
        A token is missing, hidden or not an integer, the number of columns is wrong, a token column is missing, or a
        token is outside its codebook.
    """
    indices = token_values(tokens, spec.token_columns())
    sizes = np.array([size for sizes in spec.num_codes for size in sizes])
    if indices.ndim < 2 or indices.shape[-1] != len(sizes):
        raise DataError(f"tokens have shape {list(indices.shape)}", expected=f"[N, {len(sizes)}]")
    flat = indices.reshape(-1, len(sizes))
    outside = np.argwhere((flat < 0) | (flat >= sizes))
    if len(outside):
        row, column = outside[0].tolist()
        name = spec.token_columns()[column]
        raise DataError(f"token column {name} contains {flat[row, column]}", expected=f"0 to {sizes[column] - 1}")
    return indices
