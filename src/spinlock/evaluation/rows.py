"""The rows on which a tokenizer is evaluated, with their tokens and their reconstructions.

Letters: ``m`` rows, ``D`` input columns, ``U`` kept columns, ``C`` categories, ``L`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.io.arrays.row_precision import RawRows
from spinlock.model import LEVELS, ModelSpec
from spinlock.model.codec import Codec
from spinlock.preprocessing.cleaning import Cleaner

Rows = NDArray[np.float32]
Tokens = NDArray[np.int64]


@dataclass(frozen=True)
class Coder:
    """The fitted cleaning and the codec of a tokenizer, on a device."""

    codec: Codec
    cleaner: Cleaner
    device: torch.device

    @property
    def spec(self) -> ModelSpec:
        """Sizes of the network."""
        return self.codec.model.spec

    def tokens(self, raw: RawRows) -> Tokens:
        """Return the tokens [m, C, L] of raw rows [m, D]."""
        return self._tokens(self.cleaner.transform(raw).values)

    def decode(self, tokens: Tokens) -> RawRows:
        """Return rows [m, D] in raw units that are decoded from tokens [m, C, l]."""
        return self.cleaner.inverse_transform(self._decode(tokens))

    def evaluated(self, raw: RawRows, positions: Tokens, operators: Tokens) -> EvaluatedRows:
        """Encode and decode raw rows [m, D], whose positions and operators in their table are [m]."""
        cleaned = self.cleaner.transform(raw)
        tokens = self._tokens(cleaned.values)
        normalized = [self._decode(tokens[..., : level + 1]) for level in range(LEVELS)]
        return EvaluatedRows(
            coder=self,
            positions=positions,
            operators=operators,
            raw=raw,
            clipped=cleaned.clipped,
            imputed=cleaned.imputed,
            z_scores=self.cleaner.to_z_scores(cleaned.values),
            tokens=tokens,
            decoded=tuple(self.cleaner.to_z_scores(rows) for rows in normalized),
            error=np.square(cleaned.values - normalized[-1]).mean(1),
        )

    def _tokens(self, normalized: Rows) -> Tokens:
        return self.codec.encode(torch.from_numpy(normalized).to(self.device)).indices.cpu().numpy()

    def _decode(self, tokens: Tokens) -> Rows:
        decoded: Rows = self.codec.decode(torch.from_numpy(tokens).to(self.device)).cpu().numpy()
        return decoded


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class EvaluatedRows:
    """Rows with their tokens and reconstructions.

    Attributes
    ----------
    coder
        The tokenizer.
    positions, operators
        Position [m] in the table and operator [m] of each row.
    raw
        Rows [m, D] in raw units.
    clipped, imputed
        Fractions [m] of the cells of a row that were clipped or imputed.
    z_scores
        Rows [m, U], z-scored and clipped.
    tokens
        Tokens [m, C, L].
    decoded
        For each level, rows [m, U] that are decoded from the tokens up to this level, in the units of ``z_scores``.
    error
        Mean squared reconstruction error [m] in normalized units.
    """

    coder: Coder
    positions: Tokens
    operators: Tokens
    raw: RawRows
    clipped: NDArray[np.float64]
    imputed: NDArray[np.float64]
    z_scores: Rows
    tokens: Tokens
    decoded: tuple[Rows, ...]
    error: Rows

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def spec(self) -> ModelSpec:
        """Sizes of the network."""
        return self.coder.spec

    @property
    def flat_tokens(self) -> Tokens:
        """Tokens [m, C L], ordered as the columns of a token file."""
        return self.tokens.reshape(len(self), -1)

    def points(self, levels: int, chosen: Any = slice(None)) -> Rows:
        """Return the points of chosen rows between which distances in token space are measured.

        Parameters
        ----------
        levels
            Number of levels of the tokens that are used, 1 to L.
        chosen
            Index of the rows.

        Returns
        -------
        numpy.ndarray
            Quantized latents, or decoded rows for a model with joint assignment.
        """
        codec, device = self.coder.codec, self.coder.device
        indices = torch.from_numpy(self.tokens[chosen][..., :levels].copy()).to(device)
        decoded: Tensor = torch.from_numpy(self.decoded[levels - 1][chosen]).to(device)
        points: Rows = codec.distance_points(indices, decoded).cpu().numpy()
        return points
