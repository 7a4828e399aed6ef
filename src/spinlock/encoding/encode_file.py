"""Encoding of a dataset of features to a token file. The rows are streamed, so that memory does not grow with the file.

Letters: ``N`` operators, ``n`` rows of a block, ``C`` categories.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock import __version__
from spinlock.arguments import checked_integer
from spinlock.checkpoint.record import Checkpoint
from spinlock.encoding.code_positions import code_positions
from spinlock.encoding.ranges import RangeCheck
from spinlock.encoding.row_codec import EncodedBlock, RowCodec
from spinlock.encoding.summary import EncodingSummary
from spinlock.errors import DataError, located
from spinlock.io.arrays.row_precision import RawRows, RowDigest
from spinlock.io.atomic import check_writable
from spinlock.io.features import FeatureSource, open_features
from spinlock.io.names import match_columns
from spinlock.io.row_file import Attribute
from spinlock.io.token_layout import SPLIT_NAMES, TokenColumns
from spinlock.io.token_writer import TokenWriter
from spinlock.model import LEVELS
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.runtime.threads import prefetch

READ_ROWS = 8192
"""Default number of rows that are read at a time."""

STRICT_REMEDY = "convert the units or fill the columns, or encode without strict=True"

Advance = Callable[[int], None]
"""Function of the number of rows that were processed since its last call."""


def encode_file(
    codec: RowCodec,
    dataset: Path,
    output: Path,
    *,
    batch_size: int = READ_ROWS,
    overwrite: bool = False,
    strict: bool = False,
    group: ProcessGroup = SINGLE,
    advance: Advance = lambda rows: None,
) -> EncodingSummary | None:
    """Encode the features of a dataset and write a token file.

    Parameters
    ----------
    codec
        The trained model.
    dataset
        HDF5 dataset. Its columns are matched by name.
    output
        Token file to write; it appears when it is complete.
    batch_size
        Number of rows that are read at a time; tokens do not depend on it.
    overwrite
        Whether an existing output is replaced.
    strict
        Whether a range warning is an error.
    group
        Process group. Each process encodes a part of the blocks, and the main process writes the file.
    advance
        Called in the main process after each block.

    Returns
    -------
    EncodingSummary or None
        None in all processes except the main process.

    Raises
    ------
    DataError
        The dataset cannot be read, a column of the model is missing, ``batch_size`` is not an integer of at least 1, or
        ``strict`` is true and there is a range warning.
    OutputError
        The output exists or cannot be written, or it is the dataset or the file of the model.
    """
    batch_size = checked_integer("batch_size", batch_size, minimum=1)
    if group.is_main:
        check_writable(output, overwrite=overwrite, inputs=[dataset, codec.checkpoint.path])
    trained_on = codec.checkpoint.dataset
    with open_features(dataset, family=trained_on.family, feature_type=trained_on.feature_type) as source:
        blocks = _encoded_blocks(source, codec, batch_size, group)
        if group.is_main:
            return _write_tokens(source, codec, blocks, output, overwrite=overwrite, strict=strict, advance=advance)
        deque(blocks, maxlen=0)  # runs the loop, which sends the tokens to the main process
        return None


def _encoded_blocks(
    source: FeatureSource, codec: RowCodec, batch_size: int, group: ProcessGroup
) -> Iterator[tuple[RawRows, EncodedBlock]]:
    """Encode the blocks of this process, and yield the raw rows and tokens of all blocks in the main process."""
    columns = _model_columns(source, codec.checkpoint)
    last = (source.num_rows - 1) // batch_size
    pending: list[RawRows] = []
    encoded: EncodedBlock | None = None
    for number, rows in enumerate(prefetch(_read_blocks(source, batch_size, group))):
        pending.append(rows)
        if len(rows) and number % group.world_size == group.rank:
            encoded = codec.encode(rows if columns is None else rows[:, columns])
        if number % group.world_size == group.world_size - 1 or number == last:
            yield from (
                (raw, block)
                for raw, block in zip(pending, group.gather_objects(encoded), strict=False)
                if block is not None
            )
            pending, encoded = [], None


def _model_columns(source: FeatureSource, checkpoint: Checkpoint) -> NDArray[np.int64] | None:
    """Return the positions of the model's columns in the dataset, or None if it has these columns in this order."""
    if source.names == checkpoint.feature_names:
        return None
    with located(source.path):
        return match_columns(source.names, checkpoint.feature_names)


def _read_blocks(source: FeatureSource, size: int, group: ProcessGroup) -> Iterator[RawRows]:
    """Yield all blocks of rows. Except in the main process, blocks of other processes are empty and not read."""
    if group.is_main:
        yield from (rows for _, rows in source.blocks(size))
        return
    for number, start in enumerate(range(0, source.num_rows, size)):
        stop = start + size if number % group.world_size == group.rank else start
        yield source.read(start, stop)


class _Hashes:
    """Hashes of the rows as they are ``stored``, and ``matched`` to the columns [D] of the model.

    The second one recognizes the training table, also if its columns have another order.
    """

    def __init__(self, columns: NDArray[np.int64] | None) -> None:
        self._columns = columns
        self.stored = RowDigest()
        self.matched = self.stored if columns is None else RowDigest()

    def update(self, rows: RawRows) -> None:
        """Add stored rows."""
        self.stored.update(rows)
        if self._columns is not None:
            self.matched.update(rows[:, self._columns].copy(order="C"))


def _write_tokens(
    source: FeatureSource,
    codec: RowCodec,
    blocks: Iterator[tuple[RawRows, EncodedBlock]],
    output: Path,
    *,
    overwrite: bool,
    strict: bool,
    advance: Advance,
) -> EncodingSummary:
    """Write the token file from blocks of raw rows and tokens; the raw rows are hashed."""
    checkpoint, spec = codec.checkpoint, codec.checkpoint.spec
    extra_columns = len(source.names) - len(checkpoint.feature_names)
    hashes, started = _Hashes(_model_columns(source, checkpoint)), time.perf_counter()
    imputed = clipped = errors = near_ties = 0.0
    check = RangeCheck(checkpoint)
    attributes: dict[str, Attribute] = {
        "program_version": __version__,
        "assignment": spec.assignment,
        "model_sha256": checkpoint.sha256(),
        "extra_columns": extra_columns,
    }
    columns = TokenColumns.from_codebook_sizes(dict(zip(spec.category_names, spec.num_codes, strict=True)))
    shape, positions = source.shape[:-1], code_positions(codec)
    options: dict[str, Any] = {"attributes": attributes, "annotations": source, "overwrite": overwrite}
    with TokenWriter(output, columns, shape, code_positions=positions, **options) as writer:
        for rows, block in prefetch(blocks):
            hashes.update(rows)
            writer.write(
                block.indices,
                reconstruction_error=block.error,
                error_percentile=block.percentile,
                clipped_share=block.clipped,
                imputed_share=block.imputed,
            )
            imputed += float(block.imputed.sum())
            clipped += float(block.clipped.sum())
            errors += float(block.error.sum())
            near_ties += float(block.near_tie.sum())
            check.add(len(rows), block.ranges)
            advance(len(rows))
        warning = check.warning()
        if strict and warning:
            raise DataError(warning, where=str(source.path), remedy=STRICT_REMEDY)
        writer.write_split(_split_roles(source.num_operators, hashes.matched.hexdigest(), checkpoint))
        kept = len(checkpoint.cleaner.kept)
        summary = EncodingSummary(
            rows=source.num_rows,
            tokens_per_row=LEVELS * spec.num_categories,
            mean_error=errors / source.num_rows,
            imputed_cells=round(imputed * kept),
            clipped_cells=round(clipped * kept),
            extra_columns=extra_columns,
            near_tie_rows=round(near_ties),
            seconds=time.perf_counter() - started,
            notes=source.notes,
            range_warning=warning,
        )
        writer.set_attributes(_content_attributes(source, summary, hashes.stored.hexdigest()))
    return summary


def _content_attributes(source: FeatureSource, summary: EncodingSummary, sha256: str) -> dict[str, Attribute]:
    """Return the attributes of the token file that are known after the last row."""
    return {
        "features_sha256": sha256,
        "imputed_cells": summary.imputed_cells,
        "clipped_cells": summary.clipped_cells,
        "near_tie_rows": summary.near_tie_rows,
        "range_warning": summary.range_warning,
        "unwritten_cells": source.unwritten_cells,
        "fill_value_cells": source.fill_cells,
        "unwritten_rows": source.unwritten_rows,
    }


def _split_roles(operators: int, sha256: str, checkpoint: Checkpoint) -> NDArray[np.int8]:
    """Return the role of each operator, [N], as an index into SPLIT_NAMES.

    All operators are new unless the rows are those on which the model was trained; ``sha256`` is the hash of the rows
    with the columns of the model.
    """
    trained_on, split = checkpoint.dataset, checkpoint.split
    roles = np.full(operators, SPLIT_NAMES.index("new"), dtype=np.int8)
    if (operators, sha256) == (trained_on.num_operators, trained_on.sha256):
        roles[split.train_operators] = SPLIT_NAMES.index("train")
        roles[split.validation_operators] = SPLIT_NAMES.index("validation")
    return roles
