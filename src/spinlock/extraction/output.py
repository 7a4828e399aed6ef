"""Writing of extracted features: the dataset, a shard of it, and the dataset from all shards.

Letters: ``N`` operators, ``M`` realizations, ``T`` frames, ``n`` operators of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spinlock import __version__
from spinlock.extraction.batches import batch_size
from spinlock.features.extract import VERSION, feature_names
from spinlock.io.atomic import check_writable
from spinlock.io.operators import OperatorFile
from spinlock.io.rollouts import Rollouts, open_rollouts
from spinlock.io.row_file import Attribute
from spinlock.sharding.collection import ShardCollection, check_same_input
from spinlock.sharding.manifest import Work
from spinlock.sharding.pieces import Piece, fingerprint, open_pieces
from spinlock.sharding.shard import Shard
from spinlock.sharding.versions import library_versions
from spinlock.sharding.writing import finished_shard, make_shard

COMMAND = "extract-features"

HELD = "metadata/held"
"""Dataset with the index of the first invalid frame of each run, or 0 if all frames are valid."""

HELD_RUNS = "held"
"""Name of the same array [n, M] of a batch."""

KINDS = ("aggregated", "per_trajectory", "per_timestep")
"""The feature tables."""


@dataclass(frozen=True)
class ExtractionResult:
    """The result of :func:`~spinlock.extraction.extract_file.extract_features`.

    Attributes
    ----------
    output
        Path of the file that was written.
    num_operators
        Number of operators in the file.
    num_held
        Number of diverged runs, which repeat their last valid frame.
    notes
        What the user should know about the rollouts, for example files that they read.
    was_complete
        Whether the output is a shard that was complete before.
    """

    output: Path
    num_operators: int
    num_held: int
    notes: tuple[str, ...]
    was_complete: bool = False


@dataclass(frozen=True)
class Extraction:
    """What is extracted, and what the file says of its origin.

    Attributes
    ----------
    rollouts
        File of the rollouts.
    scale
        Factor by which the fields are multiplied.
    hold_diverged
        Whether diverged runs are accepted.
    command_line
        Text that is stored in the file.
    device_type
        ``cpu`` or ``cuda``.
    """

    rollouts: Path
    scale: float
    hold_diverged: bool
    command_line: str
    device_type: str


def write_extracted(
    source: Rollouts, pieces: Iterator[Piece], output: Path, extraction: Extraction, *, overwrite: bool
) -> int:
    """Write the dataset, and return the number of runs that repeat their last valid frame.

    Parameters
    ----------
    source
        The rollouts, of which the annotations are copied.
    pieces
        The tables of :data:`KINDS` and the held runs of all operators, batch by batch.
    output
        Path of the dataset.
    extraction
        The origin of the features.
    overwrite
        Whether to replace an existing output.
    """
    names = feature_names(with_probes=False)
    tables = {
        "aggregated": (names.aggregated, ()),
        "per_trajectory": (names.per_trajectory, (source.realizations,)),
        "per_timestep": (names.per_timestep, (source.frames,)),
    }
    attributes: dict[str, Attribute] = {
        "features_version": VERSION,
        "layout": source.layout,
        "scale": extraction.scale,
        "command_line": extraction.command_line,
        "rollouts": str(extraction.rollouts),
    }
    held = []
    with OperatorFile(
        output, source.num_operators, tables, attributes=attributes, annotations=source, overwrite=overwrite
    ) as file:
        for piece in pieces:
            file.write({kind: piece[kind] for kind in KINDS})
            held.append(piece[HELD_RUNS])
        runs = np.concatenate(held)
        if extraction.hold_diverged:
            file.write_dataset(HELD, runs, description="index of the first invalid frame of a run; 0 = none")
    return int((runs > 0).sum())


class ExtractionShard:
    """The operators of one shard.

    Parameters
    ----------
    shard
        The shard to write.
    source
        The rollouts.
    extraction
        What is extracted.

    Raises
    ------
    DataError
        There are more shards than operators.
    """

    def __init__(self, shard: Shard, source: Rollouts, extraction: Extraction) -> None:
        shard.check_count(source.num_operators, "operators")
        size = batch_size(source)
        num_batches = -(-source.num_operators // size)
        start, stop = (num_batches * number // shard.count * size for number in (shard.number - 1, shard.number))
        self.operators = range(start, min(stop, source.num_operators))
        self._shard, self._source = shard, source
        identity = {
            "program_version": __version__,
            "features_version": VERSION,
            "versions": library_versions("torch", "numpy"),
            "device_type": extraction.device_type,
            "rollouts": fingerprint(extraction.rollouts),
            "scale": extraction.scale,
            "hold_diverged": extraction.hold_diverged,
        }
        settings = {"rollouts": str(extraction.rollouts), "command_line": extraction.command_line}
        ranges = [(self.operators.start, self.operators.stop)] if self.operators else []
        self._work = Work(COMMAND, "operators", source.num_operators, ranges, identity, settings, list(shard.command))

    def finished(self, *, overwrite: bool) -> ExtractionResult | None:
        """Return the result of this shard if it is finished already; see :func:`finished_shard` for the errors."""
        manifest = finished_shard(self._shard, self._work, overwrite=overwrite)
        return None if manifest is None else self._result(int(manifest.summary["num_held"]), was_complete=True)

    def write(self, pieces: Iterator[Piece]) -> ExtractionResult:
        """Write the shard from the features of its batches."""
        num_held = 0

        def counted() -> Iterator[Piece]:
            nonlocal num_held
            for piece in pieces:
                num_held += int((piece[HELD_RUNS] > 0).sum())
                yield piece

        make_shard(self._shard, self._work, counted(), lambda: {"num_held": num_held})
        return self._result(num_held, was_complete=False)

    def _result(self, num_held: int, *, was_complete: bool) -> ExtractionResult:
        return ExtractionResult(self._shard.path, len(self.operators), num_held, self._source.notes, was_complete)


def join_features(shards: ShardCollection, *, overwrite: bool, advance: Callable[[int], None]) -> ExtractionResult:
    """Write the dataset of complete shards; it has the bytes of the file that is made without shards.

    Parameters
    ----------
    shards
        All shards.
    overwrite
        Whether an existing file is replaced.
    advance
        Called with the number of operators that were written since the last call.

    Raises
    ------
    DataError
        The rollouts cannot be read, or are not those of the shards.
    OutputError
        The file exists or cannot be written.
    """
    work = shards.first.work
    rollouts = Path(work.settings["rollouts"])
    check_writable(shards.output, overwrite=overwrite, inputs=[rollouts])
    scale, hold_diverged = float(work.identity["scale"]), bool(work.identity["hold_diverged"])
    command_line, device_type = str(work.settings["command_line"]), str(work.identity["device_type"])
    extraction = Extraction(rollouts, scale, hold_diverged, command_line, device_type)
    with open_rollouts(rollouts) as source, ExitStack() as stack:
        check_same_input("file of rollouts", rollouts, fingerprint(rollouts), str(work.identity["rollouts"]))

        def pieces() -> Iterator[Piece]:
            for shard, _ in shards.shards():
                for piece in stack.enter_context(open_pieces(shard.path)):
                    yield piece
                    advance(len(piece[HELD_RUNS]))

        num_held = write_extracted(source, pieces(), shards.output, extraction, overwrite=overwrite)
        return ExtractionResult(shards.output, source.num_operators, num_held, source.notes)
