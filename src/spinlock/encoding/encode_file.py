"""Encoding of a dataset of features to a token file. The rows are streamed, so that memory does not grow with the file.

Letters: ``N`` operators, ``n`` rows of a block, ``C`` categories.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from spinlock.arguments import checked_integer
from spinlock.encoding.row_codec import EncodedBlock, RowCodec
from spinlock.encoding.shards import EncodingShard
from spinlock.encoding.summary import EncodingSummary
from spinlock.encoding.token_decoder import decoder_if_needed
from spinlock.encoding.token_output import Advance, RowsAndTokens, TokenOutput, model_columns, write_tokens
from spinlock.io.arrays.row_precision import RawRows
from spinlock.io.atomic import check_writable
from spinlock.io.features import FeatureSource, open_features
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.runtime.threads import prefetch
from spinlock.sharding.shard import Shard, output_and_shard

READ_ROWS = 8192
"""Default number of rows that are read at a time."""


def encode_file(
    codec: RowCodec,
    dataset: Path,
    output: Path | Shard,
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
        Token file to write, or a :class:`~spinlock.sharding.Shard` of it. It appears when it is complete.
    batch_size
        Number of rows that are read at a time; tokens do not depend on it.
    overwrite
        Whether an existing output is replaced.
    strict
        Whether a range warning is an error. For shards it is checked when they are joined.
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
        The dataset cannot be read, a column of the model is missing, ``batch_size`` is not an integer of at least 1,
        ``strict`` is true and there is a range warning, or there are more shards than rows.
    OutputError
        The output exists or cannot be written, or it is the dataset or the file of the model.
    """
    batch_size = checked_integer("batch_size", batch_size, minimum=1)
    target, shard = output_and_shard(output)
    if group.is_main:
        check_writable(target, overwrite=overwrite or shard is not None, inputs=[dataset, codec.checkpoint.path])
    trained_on = codec.checkpoint.dataset
    with open_features(dataset, family=trained_on.family, feature_type=trained_on.feature_type) as source:
        if shard is not None:
            part = EncodingShard(shard, codec, source, batch_size=batch_size, strict=strict)
            return _encode_shard(part, source, codec, batch_size, group, overwrite=overwrite, advance=advance)
        blocks = _encoded_blocks(source, codec, batch_size, range(source.num_rows), group)
        if group.is_main:
            tokens = TokenOutput(target, overwrite, strict, decoder_if_needed(source, codec))
            return write_tokens(source, codec.checkpoint, blocks, tokens, advance)
        deque(blocks, maxlen=0)  # runs the loop, which sends the tokens to the main process
        return None


def _encode_shard(
    part: EncodingShard,
    source: FeatureSource,
    codec: RowCodec,
    batch_size: int,
    group: ProcessGroup,
    *,
    overwrite: bool,
    advance: Advance,
) -> EncodingSummary | None:
    """Encode the rows of a shard, unless it is finished already; the result is that of :func:`encode_file`."""
    finished = part.finished(overwrite=overwrite) if group.is_main else None
    if group.any(finished is not None):
        return finished
    blocks = _encoded_blocks(source, codec, batch_size, part.rows, group)
    if group.is_main:
        return part.write(blocks, advance)
    deque(blocks, maxlen=0)
    return None


def _encoded_blocks(
    source: FeatureSource, codec: RowCodec, batch_size: int, part: range, group: ProcessGroup
) -> RowsAndTokens:
    """Encode the blocks of this process, and yield the raw rows and tokens of all blocks in the main process."""
    columns = model_columns(source, codec.checkpoint)
    last = (len(part) - 1) // batch_size
    pending: list[RawRows] = []
    encoded: EncodedBlock | None = None
    for number, rows in enumerate(prefetch(_read_blocks(source, batch_size, part, group))):
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


def _read_blocks(source: FeatureSource, size: int, part: range, group: ProcessGroup) -> Iterator[RawRows]:
    """Yield all blocks of rows. Except in the main process, blocks of other processes are empty and not read."""
    if group.is_main:
        yield from (rows for _, rows in source.blocks(size, part))
        return
    for number, start in enumerate(range(part.start, part.stop, size)):
        stop = min(start + size, part.stop) if number % group.world_size == group.rank else start
        yield source.read(start, stop)
