"""Features of rollouts that another program computed.

The features are those of :func:`~spinlock.generation.generate.generate` without the sensitivity group, because this
group needs probe runs of the operator.

Letters: ``N`` operators, ``M`` realizations, ``T`` frames, ``C`` channels, ``H`` x ``W`` grid points.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from spinlock.errors import DataError
from spinlock.extraction.batches import check_grid, read_batches
from spinlock.extraction.output import (
    HELD_RUNS,
    KINDS,
    Extraction,
    ExtractionResult,
    ExtractionShard,
    write_extracted,
)
from spinlock.features.extract import extract
from spinlock.io.atomic import check_writable
from spinlock.io.rollouts import Rollouts, open_rollouts
from spinlock.paths import user_path
from spinlock.runtime.device import choose_device
from spinlock.sharding.pieces import Piece
from spinlock.sharding.shard import Shard, output_and_shard


def extract_features(
    rollouts: str | Path,
    output: str | Path | Shard,
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
        Path of the dataset (HDF5), or a :class:`~spinlock.sharding.Shard` of it.
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
        The file contains no rollouts, the grid is too small, a value is too large or not finite, the device does not
        exist, or there are more shards than operators.
    OutputError
        The output exists or cannot be written.
    """
    target, shard = output_and_shard(output)
    rollouts = user_path(rollouts)
    if not (math.isfinite(scale) and scale > 0):
        raise DataError(f"scale is {scale}", expected="a number above 0")
    check_writable(target, overwrite=overwrite or shard is not None, inputs=[rollouts])
    with open_rollouts(rollouts) as source:
        check_grid(source)
        torch_device = choose_device(device)
        extraction = Extraction(rollouts, scale, hold_diverged, command_line, torch_device.type)
        if shard is None:
            pieces = _extract(source, range(source.num_operators), extraction, torch_device, advance)
            num_held = write_extracted(source, pieces, target, extraction, overwrite=overwrite)
            return ExtractionResult(target, source.num_operators, num_held, source.notes)
        part = ExtractionShard(shard, source, extraction)
        finished = part.finished(overwrite=overwrite)
        return finished or part.write(_extract(source, part.operators, extraction, torch_device, advance))


def _extract(
    source: Rollouts, operators: range, settings: Extraction, device: torch.device, advance: Callable[[int], None]
) -> Iterator[Piece]:
    """Yield the features of consecutive operators, batch by batch."""
    for fields, held in read_batches(source, operators, hold_diverged=settings.hold_diverged, scale=settings.scale):
        features = extract(torch.from_numpy(fields).to(device), None)
        yield {kind: getattr(features, kind).cpu().numpy() for kind in KINDS} | {HELD_RUNS: held}
        advance(len(fields))
