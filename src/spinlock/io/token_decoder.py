"""The decoder in a token file: arrays that decode tokens to principal axes of the features, without the tokenizer.

Letters: ``J`` codes of all token columns together, ``H`` hidden units, ``P`` axes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.file import InputFile
from spinlock.io.token_layout import DECODER


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class TokenDecoder:
    """Decoder of tokens k to coordinates y [P] of the features along principal axes.

        y = sum_k positions[k] + gelu(sum_k code_hidden[k] + hidden_bias) hidden_positions

    The codes of all columns are numbered one after another.

    Attributes
    ----------
    positions
        Coordinates [J, P] that a code adds in the linear part of the decoder.
    code_hidden
        What a code adds to the hidden layer [J, H].
    hidden_bias
        Bias of the hidden layer [H].
    hidden_positions
        Coordinates of the output weights of the hidden units [H, P].
    """

    positions: NDArray[Any]
    code_hidden: NDArray[Any]
    hidden_bias: NDArray[Any]
    hidden_positions: NDArray[Any]

    @classmethod
    def linear(cls, positions: NDArray[Any]) -> Self:
        """Return a decoder without hidden units."""
        codes, axes = positions.shape
        return cls(positions, np.zeros((codes, 0)), np.zeros(0), np.zeros((0, axes)))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a decoder from the result of :meth:`arrays`."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by their names in a file."""
        return asdict(self)

    def write(self, file: h5py.File) -> None:
        """Write the arrays to the group /tokens/decoder of a token file."""
        for name, values in self.arrays().items():
            file[f"{DECODER}/{name}"] = values


def read_token_decoder(path: Path | str, num_codes: int) -> TokenDecoder | None:
    """Read the decoder of a token file.

    Parameters
    ----------
    path
        Token file.
    num_codes
        Number of codes J.

    Returns
    -------
    TokenDecoder or None
        Arrays in double precision; None if the file has no decoder, because its dataset has no parameters or it was
        written by an earlier version.

    Raises
    ------
    DataError
        An array is missing, has another shape than the others, or has a value that is not a finite number.
    """
    with InputFile.open(path) as file, reading(file.path):
        if file.find(DECODER) is None:
            return None
        arrays = {field.name: _read(file, field.name) for field in fields(TokenDecoder)}
    shapes = {name: values.shape for name, values in arrays.items()}
    units, axes = shapes["hidden_positions"] if len(shapes["hidden_positions"]) == 2 else (0, 0)
    expected = {
        "positions": (num_codes, axes),
        "code_hidden": (num_codes, units),
        "hidden_bias": (units,),
        "hidden_positions": (units, axes),
    }
    for name, shape in expected.items():
        if shapes[name] != shape:
            wanted = f"{list(shape)} for {num_codes} codes, {units} hidden units and {axes} axes"
            raise DataError(f"has shape {list(shapes[name])}", where=f"{path}:/{DECODER}/{name}", expected=wanted)
    return TokenDecoder(**arrays)


def _read(file: InputFile, name: str) -> NDArray[np.float64]:
    """Read one array, which must contain finite numbers only."""
    where, remedy = f"{file.path}:/{DECODER}/{name}", "encode the dataset again"
    node = file.find(f"{DECODER}/{name}")
    if node is None or node.is_group:
        raise DataError("is missing", where=where, remedy=remedy)
    table = file.checked(node, where, as_stored=True)
    if table.is_text:
        raise DataError("contains text", where=where, expected="numbers", remedy=remedy)
    values = table.read().astype(np.float64)
    if not np.isfinite(values).all():
        raise DataError("contains values that are not finite", where=where, remedy=remedy)
    return values
