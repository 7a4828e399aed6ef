"""The operators on which a model was trained, and which operators of a token file are independent of it.

Letters: ``N`` operators of a token file.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinlock.ano.data.operators import OperatorTokens
from spinlock.ano.data.split import OperatorSplit
from spinlock.errors import DataError
from spinlock.io.token_layout import TokenColumns


@dataclass(frozen=True)
class Source:
    """The token file on which a model was trained.

    Attributes
    ----------
    columns
        The token columns.
    model_sha256
        SHA-256 of the tokenizer.
    sha256
        SHA-256 of the tokens, families and parameters.
    operators
        Hash of the family and the parameters of each operator, N integers of 64 bits.
    decoder_sha256
        SHA-256 of the decoder, or an empty text without decoder. It does not identify the operators, so that two
        sources are equal if they differ in it only.
    """

    columns: TokenColumns
    model_sha256: str
    sha256: str
    operators: tuple[int, ...]
    decoder_sha256: str = field(compare=False)

    @classmethod
    def of(cls, data: OperatorTokens) -> Source:
        """Return the source of a model that is trained on the operators of a token file."""
        digest = hashlib.sha256()
        for values in (data.rows.tokens, data.family, data.parameters.unit, data.parameters.physical):
            digest.update(np.ascontiguousarray(values).tobytes())
        digest.update("\n".join((*data.families, *data.parameters.names)).encode())
        decoder = "" if data.decoder is None else data.decoder.sha256()
        return cls(data.rows.columns, data.rows.model_sha256, digest.hexdigest(), _operator_hashes(data), decoder)

    def independent(self, other: Source, split: OperatorSplit, path: Path) -> NDArray[np.int64]:
        """Return the operators of a token file on which nothing of the model was fitted or chosen, as sorted indices.

        These are the test operators of the split, and operators that are not in the source. An operator is
        recognized by its family and parameters, also in another file and with other tokens.

        Parameters
        ----------
        other
            The token file: the source of a model that would be trained on it.
        split
            Split of the operators of this source.
        path
            Path of the token file for the error message.

        Raises
        ------
        DataError
            There is no such operator.
        """
        if other == self:
            return split.test
        hashes = np.array(self.operators, np.int64)
        used = hashes[np.concatenate([split.train, split.validation, split.calibration])]
        found = np.flatnonzero(~np.isin(np.array(other.operators, np.int64), used))
        if not len(found):
            raise DataError(
                f"the model was fitted on these operators, all {len(other.operators)} of them",
                where=str(path),
                remedy="use the token file of the training, or one with other operators",
            )
        return found


def _operator_hashes(data: OperatorTokens) -> tuple[int, ...]:
    """Return a hash of the family and of the parameters of each operator, without absent parameters."""
    values = data.parameters.physical.astype(np.float32).tolist()
    return tuple(
        _hash(data.families[family], dict(zip(data.parameters.names, row, strict=True)))
        for family, row in zip(data.family, values, strict=True)
    )


def _hash(family: str, parameters: Mapping[str, float]) -> int:
    """Return the first 64 bits of a SHA-256, as a signed integer. The order of the parameters has no effect."""
    present = sorted(f"{name} {value!r}" for name, value in parameters.items() if math.isfinite(value))
    digest = hashlib.sha256("\n".join([family, *present]).encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
