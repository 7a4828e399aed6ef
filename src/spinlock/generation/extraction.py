"""Features of rollouts that somebody else simulated, a few operators at a time.

Letters: ``N`` operators, ``M`` realizations, ``T`` frames, ``C`` channels, ``H`` x ``W`` points, ``n`` of a block.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.config.dataset import MIN_GRID
from spinlock.errors import DataError
from spinlock.features.extract import VERSION, extract, feature_names
from spinlock.features.run import LARGEST
from spinlock.io.operators import OperatorFile
from spinlock.io.rollouts import Fields, Rollouts
from spinlock.io.row_file import Attribute

HELD = "metadata/held"
BLOCK_ELEMENTS = 2**24
"""Field values that are described together, unless a single operator has more."""


def extract_rollouts(
    source: Rollouts,
    output: Path,
    device: torch.device,
    *,
    hold: bool = False,
    scale: float = 1.0,
    overwrite: bool = False,
    attributes: Mapping[str, Attribute] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> int:
    """Write the features of ``source`` as a dataset; returns how many runs were held.

    Fields are multiplied by ``scale``. With ``hold`` a run that stops being finite holds its last good frame and is
    marked in /metadata/held by the number of its first bad frame, 1 the first after the start.

    Raises:
        DataError: the grid is too small, or a value is not finite or too large.
    """
    check_grid(source)
    names = feature_names(with_probes=False)
    tables = {
        "aggregated": (names.aggregated, ()),
        "per_trajectory": (names.per_trajectory, (source.realizations,)),
        "per_timestep": (names.per_timestep, (source.frames,)),
    }
    marks = {"features_version": VERSION, "layout": source.layout, "scale": scale, **(attributes or {})}
    held = np.zeros((source.num_operators, source.realizations), dtype=np.int32)
    with OperatorFile(
        output, source.num_operators, tables, attributes=marks, annotations=source, overwrite=overwrite
    ) as file:
        for fields in _blocks(source, hold, scale, held):
            found = extract(torch.from_numpy(fields).to(device), None)
            file.write({kind: getattr(found, kind).cpu().numpy() for kind in tables})
            advance(len(fields))
        if hold:
            file.put(HELD, held, description="first bad frame of a held run, 1 after the start; 0 = none")
    return int((held > 0).sum())


def check_grid(source: Rollouts) -> None:
    """Refuse grids on which the spectral features mean nothing.

    Raises:
        DataError: fewer than :data:`SMALLEST_GRID` points along an axis.
    """
    axes = source.grid if source.grid[0] > 1 else source.grid[1:]
    if min(axes) < MIN_GRID:
        raise DataError(
            f"a grid of {' x '.join(map(str, axes))} points is too small for the features",
            where=str(source.path),
            expected=f"{MIN_GRID} or more along each side",
        )


def _blocks(source: Rollouts, hold: bool, scale: float, held: NDArray[np.int32]) -> Iterator[Fields]:
    """Fields [n, M, T, C, H, W] of consecutive operators with as many channels."""
    waiting: list[Fields] = []
    for operator in range(source.num_operators):
        runs = source.runs(operator, scale)
        held[operator] = _checked(runs, operator, source, hold)
        full = waiting and (len(waiting) + 1) * runs.size > BLOCK_ELEMENTS
        if waiting and (full or waiting[0].shape != runs.shape):
            yield np.stack(waiting)
            waiting = []
        waiting.append(runs)
    yield np.stack(waiting)


def _checked(runs: Fields, operator: int, source: Rollouts, hold: bool) -> list[int]:
    """Make every value finite, in place, or refuse; the number of the first bad frame of each run, 0 for none."""
    marks = []
    for number, run in enumerate(runs):
        worst = np.abs(run).max(axis=(1, 2, 3))
        bad = np.flatnonzero(~(worst <= LARGEST))
        marks.append(0)
        if not len(bad):
            continue
        first, where = int(bad[0]), f"{source.path}: operator {operator}, realization {number}, frame {int(bad[0])}"
        held = hold and first > 0
        if not held and np.isfinite(worst[first]):
            raise DataError(
                f"|u| is {worst[first]:.3g}",
                where=where,
                expected=f"at most {LARGEST:g}",
                remedy="bring the fields to a scale of about 1 with --scale"
                + (", or pass --hold-diverged" if first > 0 else ""),
            )
        if not held:
            raise DataError(
                "holds NaN or infinite values",
                where=where,
                expected="finite fields",
                remedy="pass --hold-diverged to let such runs hold their last good frame" if first > 0 else "",
            )
        run[first:] = run[first - 1]
        marks[-1] = first
    return marks
