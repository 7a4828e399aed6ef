"""The decoder in a token file: arrays that decode tokens to coordinates of the features, without the tokenizer.

Letters: ``J`` codes of all token columns together, ``H`` hidden units, ``A`` axes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.file import InputFile
from spinlock.io.token_layout import DECODER

REMEDY = "encode the dataset again"


@dataclass(frozen=True, eq=False)  # == of arrays is not a bool
class TokenDecoder:
    """Decoder of the tokens of a row to coordinates y [A] of its features along principal axes.

        y = linear[k].sum(0) + gelu(hidden[k].sum(0) + hidden_bias) @ output

    k are the numbers of the codes of the row. Code i of token column t has the number i plus the codebook sizes of the
    columns before t.

    Attributes
    ----------
    linear
        What each code adds to y, [J, A].
    hidden
        What each code adds to the hidden units, [J, H].
    hidden_bias
        Bias of the hidden units [H].
    output
        Output weights [H, A].
    """

    linear: NDArray[Any]
    hidden: NDArray[Any]
    hidden_bias: NDArray[Any]
    output: NDArray[Any]

    @classmethod
    def without_hidden_units(cls, linear: NDArray[Any]) -> Self:
        """Return a linear decoder."""
        codes, axes = linear.shape
        return cls(linear, np.zeros((codes, 0)), np.zeros(0), np.zeros((0, axes)))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore a decoder from the result of :meth:`arrays`."""
        return cls(**{name: arrays[name] for name in ARRAYS})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by their names in a file."""
        return {name: getattr(self, name) for name in ARRAYS}

    def sha256(self) -> str:
        """Return a hash of the shapes and values."""
        digest = hashlib.sha256()
        for values in self.arrays().values():
            digest.update(f"{values.shape}".encode())
            digest.update(np.ascontiguousarray(values, dtype=np.float64).tobytes())
        return digest.hexdigest()

    def write(self, file: h5py.File) -> None:
        """Write the arrays to the group /tokens/decoder of a token file."""
        for name, values in self.arrays().items():
            file[f"{DECODER}/{name}"] = values


ARRAYS = tuple(field.name for field in fields(TokenDecoder))
"""Names of the arrays."""


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
        Arrays in double precision; None if the file has no decoder, because its dataset had no parameters or it was
        written by an earlier version.

    Raises
    ------
    DataError
        An array is missing, has another shape than the others, or has a value that is not a finite number in single
        precision.
    """
    with InputFile.open(path) as file, reading(file.path):
        if file.find(DECODER) is None:
            return None
        arrays = {name: _read(file, name) for name in ARRAYS}
    shapes = {name: values.shape for name, values in arrays.items()}
    units, axes = shapes["output"] if len(shapes["output"]) == 2 else (0, 0)
    expected = {
        "linear": (num_codes, axes),
        "hidden": (num_codes, units),
        "hidden_bias": (units,),
        "output": (units, axes),
    }
    for name, shape in expected.items():
        if shapes[name] != shape or not axes:
            raise DataError(
                f"has shape {list(shapes[name])}",
                where=f"{path}:/{DECODER}/{name}",
                expected=f"{list(shape)} for {num_codes} codes, {units} hidden units and {axes} axes",
                remedy=REMEDY,
            )
    return TokenDecoder(**arrays)


def _read(file: InputFile, name: str) -> NDArray[np.float64]:
    """Read one array, which must contain finite numbers only."""
    where = f"{file.path}:/{DECODER}/{name}"
    node = file.find(f"{DECODER}/{name}")
    if node is None or node.is_group:
        raise DataError("is missing", where=where, remedy=REMEDY)
    table = file.checked(node, where, as_stored=True)
    if table.shape is None or table.dtype.kind not in "iuf":
        raise DataError("contains no real numbers", where=where, remedy=REMEDY)
    values = table.read().astype(np.float64)
    if not (np.abs(values) <= np.finfo(np.float32).max).all():
        raise DataError("contains values that are not finite in single precision", where=where, remedy=REMEDY)
    return values
