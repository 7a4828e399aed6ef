"""Fields of consecutive operators of a file of rollouts, in batches whose borders do not depend on the shards.

The last bits of the features of an operator depend on the size of its batch and on its position there. Therefore the
borders of the batches depend on the file alone, and a shard consists of whole batches.

Letters: ``N`` operators, ``M`` realizations, ``T`` frames, ``C`` channels, ``H`` x ``W`` grid points, ``n`` operators
of a batch.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.features.run import MAX_SIZE, MIN_GRID
from spinlock.io.rollouts import Fields, Rollouts

MAX_BATCH_ELEMENTS = 2**24
"""Maximum number of field values in a batch, unless one operator has more."""

MAX_BATCH = 16
"""Maximum number of operators in a batch; larger batches are not faster."""

MIN_BATCHES = 128
"""Number of batches below which batches are made smaller, so that shards of whole batches have nearly equal sizes."""


def batch_size(source: Rollouts) -> int:
    """Return the number of operators of a batch, except where the number of channels changes and at the end."""
    channels = max(source.channels(operator) for operator in range(source.num_operators))
    elements = source.realizations * source.frames * channels * math.prod(source.grid)
    return max(1, min(MAX_BATCH, source.num_operators // MIN_BATCHES, MAX_BATCH_ELEMENTS // elements))


def check_grid(source: Rollouts) -> None:
    """Raise an error if the grid is too small for the spectral features."""
    axes = source.grid if source.grid[0] > 1 else source.grid[1:]
    if min(axes) < MIN_GRID:
        raise DataError(
            f"a grid of {' x '.join(map(str, axes))} points is too small for the features",
            where=str(source.path),
            expected=f"{MIN_GRID} or more along each side",
        )


def read_batches(
    source: Rollouts, operators: range, *, hold_diverged: bool, scale: float
) -> Iterator[tuple[Fields, NDArray[np.int32]]]:
    """Read batches of operators with the same number of channels.

    Parameters
    ----------
    source
        The rollouts.
    operators
        Consecutive operators, which begin and end at a multiple of :func:`batch_size` or at N.
    hold_diverged
        Whether a diverged run is accepted and repeats its last valid frame.
    scale
        Factor by which the fields are multiplied.

    Yields
    ------
    fields : numpy.ndarray
        [n, M, T, C, H, W].
    held : numpy.ndarray
        Index of the first invalid frame of each run, or 0, [n, M].

    Raises
    ------
    DataError
        There is an invalid frame and ``hold_diverged`` is false, or the first frame of a run is invalid.
    """
    size = batch_size(source)
    batch: list[Fields] = []
    held: list[list[int]] = []
    for operator in operators:
        runs = source.read_operator(operator, scale)
        if batch and (operator % size == 0 or batch[0].shape != runs.shape):
            yield np.stack(batch), np.array(held, dtype=np.int32)
            batch, held = [], []
        held.append(_hold_last_valid(runs, operator, source, hold_diverged))
        batch.append(runs)
    if batch:
        yield np.stack(batch), np.array(held, dtype=np.int32)


def _hold_last_valid(runs: Fields, operator: int, source: Rollouts, hold_diverged: bool) -> list[int]:
    """Replace invalid frames by the last valid frame of their run, in place.

    Returns
    -------
    list of int
        Index of the first invalid frame of each run, or 0.

    Raises
    ------
    DataError
        There is an invalid frame and ``hold_diverged`` is false, or the first frame of a run is invalid.
    """
    first_invalid = []
    for number, run in enumerate(runs):
        size = np.abs(run).max(axis=(1, 2, 3))
        invalid = np.flatnonzero(~(size <= MAX_SIZE))
        first_invalid.append(0)
        if not len(invalid):
            continue
        first = int(invalid[0])
        if not (hold_diverged and first > 0):
            where = f"{source.path}: operator {operator}, realization {number}, frame {first}"
            raise _invalid_frame_error(
                float(size[first]), where, source.why_missing(operator, first), can_be_held=first > 0
            )
        run[first:] = run[first - 1]
        first_invalid[-1] = first
    return first_invalid


def _invalid_frame_error(size: float, where: str, why_missing: str, *, can_be_held: bool) -> DataError:
    """Return the error for a frame whose largest |u| is ``size``, or whose values are missing."""
    if math.isfinite(size):
        return DataError(
            f"|u| is {size:.3g}",
            where=where,
            expected=f"at most {MAX_SIZE:g}",
            remedy="scale the fields to about 1 with scale=..."
            + (", or pass hold_diverged=True" if can_be_held else ""),
        )
    if why_missing:
        return DataError(f"contains values that {why_missing}", where=where, expected="complete fields")
    return DataError(
        "contains NaN or infinite values",
        where=where,
        expected="finite fields",
        remedy="pass hold_diverged=True to repeat the last valid frame of diverged runs" if can_be_held else "",
    )
