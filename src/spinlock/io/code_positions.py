"""Reading of the positions of the codes in a token file, /tokens/code_positions.

Letters: ``J`` codes of all token columns together, ``P`` axes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.hdf5 import reading
from spinlock.io.inputs.file import InputFile
from spinlock.io.token_layout import CODE_POSITIONS


def read_code_positions(path: Path | str, num_codes: int) -> NDArray[np.float64] | None:
    """Read the positions [J, P] of the codes.

    Parameters
    ----------
    path
        Token file.
    num_codes
        Number of codes J.

    Returns
    -------
    ndarray or None
        None if the file was written by a version that did not store them.

    Raises
    ------
    DataError
        They are not finite numbers, or their number is not that of the codes.
    """
    with InputFile.open(path) as file, reading(file.path):
        node = file.find(CODE_POSITIONS)
        if node is None or node.is_group:
            return None
        table = file.checked(node, f"{path}:/{CODE_POSITIONS}", as_stored=True)
        shape = table.shape or ()
        if table.is_text or len(shape) != 2 or shape[0] != num_codes:
            what = f"has shape {shape}"
            raise DataError(what, where=table.where, expected=f"numbers [{num_codes}, P], one row for each code")
        values = table.read().astype(np.float64)
    if not np.isfinite(values).all():
        raise DataError("contains values that are not finite", where=table.where, remedy="encode the dataset again")
    return values
