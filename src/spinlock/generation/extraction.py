"""Features of rollouts that another program computed.

The features are those of :func:`~spinlock.generation.generate.generate` without the sensitivity group, because this
group needs probe runs of the operator.

Letters: ``N`` operators, ``M`` realizations, ``T`` frames, ``C`` channels, ``H`` x ``W`` grid points, ``n`` operators
that are processed together.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.features.extract import VERSION, extract, feature_names
from spinlock.features.run import MAX_SIZE, MIN_GRID
from spinlock.io.atomic import check_writable
from spinlock.io.operators import OperatorFile
from spinlock.io.rollouts import Fields, Rollouts, open_rollouts
from spinlock.io.row_file import Attribute
from spinlock.paths import user_path
from spinlock.runtime.device import choose_device

HELD = "metadata/held"
"""Dataset with the index of the first invalid frame of each run, or 0 if all frames are valid."""

KINDS = ("aggregated", "per_trajectory", "per_timestep")
"""The feature tables."""

MAX_BATCH_ELEMENTS = 2**24
"""Maximum number of field values in a batch, unless one operator has more."""


@dataclass(frozen=True)
class ExtractionResult:
    """The result of :func:`extract_features`.

    Attributes
    ----------
    output
        Path of the dataset.
    num_operators
        Number of operators in the dataset.
    num_held
        Number of diverged runs, which repeat their last valid frame.
    notes
        What the user should know about the rollouts, for example files that they read.
    """

    output: Path
    num_operators: int
    num_held: int
    notes: tuple[str, ...]


def extract_features(
    rollouts: str | Path,
    output: str | Path,
    *,
    device: str = "auto",
    hold_diverged: bool = False,
    scale: float = 1.0,
    overwrite: bool = False,
    command_line: str = "",
    advance: Callable[[int], None] = lambda _: None,
) -> ExtractionResult:
    """Extract the features of rollouts and write them as a dataset.

    Parameters
    ----------
    rollouts
        HDF5 file with /outputs/fields [N, M, T, C, H, W] or [N, M, T, C, W], or a file of The Well.
    output
        Path of the dataset (HDF5).
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    hold_diverged
        Whether a diverged run is accepted. It then repeats its last valid frame and is marked in /metadata/held.
    scale
        Factor by which the fields are multiplied; the result must be at most 1e6 in absolute value.
    overwrite
        Whether to replace an existing output.
    command_line
        Text that is stored in the file as the origin of the dataset.
    advance
        Called with the number of operators that were processed since the last call.

    Returns
    -------
    ExtractionResult

    Raises
    ------
    DataError
        The file contains no rollouts, the grid is too small, a value is too large or not finite, or the device does not
        exist.
    OutputError
        The output exists or cannot be written.
    """
    output, rollouts = user_path(output), user_path(rollouts)
    if not (math.isfinite(scale) and scale > 0):
        raise DataError(f"scale is {scale}", expected="a number above 0")
    check_writable(output, overwrite=overwrite, inputs=[rollouts])
    with open_rollouts(rollouts) as source:
        _check_grid(source)
        torch_device = choose_device(device)
        origin: dict[str, Attribute] = {"scale": scale, "command_line": command_line, "rollouts": str(rollouts)}
        with _dataset(source, output, origin, overwrite=overwrite) as file:
            num_held = _write_features(source, file, torch_device, hold_diverged, scale, advance)
        return ExtractionResult(output, source.num_operators, num_held, source.notes)


def _dataset(source: Rollouts, output: Path, origin: dict[str, Attribute], *, overwrite: bool) -> OperatorFile:
    """Return the new dataset file; ``origin`` is added to its attributes."""
    names = feature_names(with_probes=False)
    tables = {
        "aggregated": (names.aggregated, ()),
        "per_trajectory": (names.per_trajectory, (source.realizations,)),
        "per_timestep": (names.per_timestep, (source.frames,)),
    }
    attributes = {"features_version": VERSION, "layout": source.layout, **origin}
    return OperatorFile(
        output, source.num_operators, tables, attributes=attributes, annotations=source, overwrite=overwrite
    )


def _write_features(
    source: Rollouts,
    file: OperatorFile,
    device: torch.device,
    hold_diverged: bool,
    scale: float,
    advance: Callable[[int], None],
) -> int:
    """Write the features of all operators, and return the number of runs that repeat their last valid frame."""
    held = np.zeros((source.num_operators, source.realizations), dtype=np.int32)
    for fields in _batches(source, hold_diverged, scale, held):
        features = extract(torch.from_numpy(fields).to(device), None)
        file.write({kind: getattr(features, kind).cpu().numpy() for kind in KINDS})
        advance(len(fields))
    if hold_diverged:
        file.write_dataset(HELD, held, description="index of the first invalid frame of a run; 0 = none")
    return int((held > 0).sum())


def _check_grid(source: Rollouts) -> None:
    """Raise an error if the grid is too small for the spectral features."""
    axes = source.grid if source.grid[0] > 1 else source.grid[1:]
    if min(axes) < MIN_GRID:
        raise DataError(
            f"a grid of {' x '.join(map(str, axes))} points is too small for the features",
            where=str(source.path),
            expected=f"{MIN_GRID} or more along each side",
        )


def _batches(source: Rollouts, hold_diverged: bool, scale: float, held: NDArray[np.int32]) -> Iterator[Fields]:
    """Yield fields [n, M, T, C, H, W] of consecutive operators with the same number of channels.

    The rows of ``held`` [N, M] are set to the first invalid frame of each run.
    """
    batch: list[Fields] = []
    for operator in range(source.num_operators):
        runs = source.read_operator(operator, scale)
        held[operator] = _hold_last_valid(runs, operator, source, hold_diverged)
        is_full = (len(batch) + 1) * runs.size > MAX_BATCH_ELEMENTS
        if batch and (is_full or batch[0].shape != runs.shape):
            yield np.stack(batch)
            batch = []
        batch.append(runs)
    yield np.stack(batch)


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
