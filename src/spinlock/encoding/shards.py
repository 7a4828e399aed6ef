"""Shards of a token file: encoding of a part of the rows, and joining of all parts.

Letters: ``n`` rows of a block, ``C`` categories, ``b`` blocks, ``U`` kept columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from spinlock import __version__
from spinlock.checkpoint.file import load_checkpoint
from spinlock.encoding.row_codec import EncodedBlock, RowCodec
from spinlock.encoding.summary import EncodingSummary
from spinlock.encoding.token_decoder import decoder_if_needed
from spinlock.encoding.token_output import Advance, EncodingTotals, RowsAndTokens, TokenOutput, write_tokens
from spinlock.errors import DataError
from spinlock.io.arrays.row_precision import RowDigest
from spinlock.io.atomic import check_writable
from spinlock.io.features import FeatureSource, open_features
from spinlock.io.token_decoder import TokenDecoder
from spinlock.preprocessing.cleaned_rows import ColumnRanges
from spinlock.sharding.collection import ShardCollection, check_same_input
from spinlock.sharding.manifest import Manifest, Work
from spinlock.sharding.pieces import Piece, fingerprint, open_pieces
from spinlock.sharding.shard import Shard
from spinlock.sharding.versions import library_versions
from spinlock.sharding.writing import finished_shard, make_shard

COMMAND = "encode-to-tokens"
ROWS_SHA256 = "rows_sha256"
"""Key of the summary with the hash of the rows of a shard."""

_ROW_ARRAYS = [each.name for each in fields(EncodedBlock) if each.name != "ranges"]
_RANGE_ARRAYS = [each.name for each in fields(ColumnRanges)]


class EncodingShard:
    """The part of a dataset that one shard encodes.

    Parameters
    ----------
    shard
        The shard to write.
    codec
        The trained model, which is stored in a file.
    source
        The features.
    batch_size, strict
        Settings of the joined file.

    Raises
    ------
    DataError
        There are more shards than rows, or the model is in no file.
    """

    def __init__(self, shard: Shard, codec: RowCodec, source: FeatureSource, *, batch_size: int, strict: bool) -> None:
        checkpoint = codec.checkpoint
        self.rows = shard.rows(source.num_rows, "rows")
        if not checkpoint.path.is_file():
            remedy = "save the model and load it again before the shards are made"
            raise DataError("the model is in no file, so that shards cannot be joined", remedy=remedy)
        self._shard, self._codec, self._source = shard, codec, source
        identity = {
            "program_version": __version__,
            "versions": library_versions("torch", "numpy"),
            "device_type": codec.device.type,
            "model_sha256": checkpoint.sha256(),
            "dataset": fingerprint(source.path),
            "table": f"{source.family}/{source.feature_type}",
        }
        settings = {
            "dataset": str(source.path),
            "model": str(checkpoint.path),
            "batch_size": batch_size,
            "strict": strict,
        }
        ranges = [(self.rows.start, self.rows.stop)]
        self._work = Work(COMMAND, "rows", source.num_rows, ranges, identity, settings, list(shard.command))

    def finished(self, *, overwrite: bool) -> EncodingSummary | None:
        """Return the summary of this shard if it is finished already; see :func:`finished_shard` for the errors."""
        manifest = finished_shard(self._shard, self._work, overwrite=overwrite)
        return None if manifest is None else _stored_summary(manifest)

    def write(self, blocks: RowsAndTokens, advance: Advance) -> EncodingSummary:
        """Write the shard from its blocks of rows and tokens, and return their summary."""
        totals, digest = EncodingTotals(self._source, self._codec.checkpoint), RowDigest()
        summary: list[EncodingSummary] = []

        def pieces() -> Iterator[Piece]:
            decoder = decoder_if_needed(self._source, self._codec)
            yield {} if decoder is None else decoder.arrays()
            for rows, block in blocks:
                digest.update(rows)
                totals.add(block)
                yield _as_piece(block)
                advance(len(rows))
            summary.append(totals.summary())

        make_shard(self._shard, self._work, pieces(), lambda: {**asdict(summary[0]), ROWS_SHA256: digest.hexdigest()})
        return summary[0]


def join_tokens(shards: ShardCollection, *, overwrite: bool, advance: Advance) -> EncodingSummary:
    """Write the token file of complete shards; it has the bytes of the file that is made without shards.

    The rows of the dataset are read once. They are compared with those that the shards encoded.

    Parameters
    ----------
    shards
        All shards.
    overwrite
        Whether an existing file is replaced.
    advance
        Called with the number of rows of each block.

    Raises
    ------
    DataError
        The dataset or the model cannot be read or is another one, or there is a range warning and ``strict`` was
        set for a shard.
    OutputError
        The file exists or cannot be written.
    """
    work = shards.first.work
    dataset, model = Path(work.settings["dataset"]), Path(work.settings["model"])
    check_writable(shards.output, overwrite=overwrite, inputs=[dataset, model])
    checkpoint = load_checkpoint(model)
    check_same_input("model", model, checkpoint.sha256(), work.identity["model_sha256"])
    family, feature_type = work.identity["table"].split("/")
    with open_features(dataset, family=family, feature_type=feature_type) as source, ExitStack() as stack:
        check_same_input("dataset", dataset, fingerprint(dataset), work.identity["dataset"])
        readers = [stack.enter_context(open_pieces(shard.path)) for shard, _ in shards.shards()]
        arrays = readers[0].read(0)
        decoder = TokenDecoder.from_arrays(arrays) if arrays else None
        stored = (reader.read(number) for reader in readers for number in range(1, len(reader)))
        size = int(work.settings["batch_size"])
        blocks = _with_rows(source, shards, _regrouped(map(_as_block, stored), size), size)
        strict = any(manifest.work.settings["strict"] for manifest in shards.manifests.values())
        output = TokenOutput(shards.output, overwrite, strict, decoder)
        return write_tokens(source, checkpoint, blocks, output, advance)


def _with_rows(
    source: FeatureSource, shards: ShardCollection, blocks: Iterator[EncodedBlock], size: int
) -> RowsAndTokens:
    """Yield each block with its raw rows, and compare the rows of each shard with those that it encoded."""
    remaining = [(number, *manifest.work.ranges[0], manifest.summary) for number, manifest in shards.manifests.items()]
    digest = RowDigest()
    for (start, rows), block in zip(source.blocks(size), blocks, strict=True):
        while remaining and remaining[0][1] < start + len(rows):
            number, first, stop, summary = remaining[0]
            digest.update(rows[max(0, first - start) : stop - start])
            if stop > start + len(rows):
                break
            if digest.hexdigest() != summary[ROWS_SHA256]:
                raise DataError(
                    f"rows {first} to {stop - 1} are not those that shard {number} encoded",
                    where=str(source.path),
                    remedy="restore the dataset, or make all shards again with overwrite=True",
                )
            digest = RowDigest()
            remaining.pop(0)
        yield rows, block


def _regrouped(blocks: Iterator[EncodedBlock], size: int) -> Iterator[EncodedBlock]:
    """Yield the same rows in blocks of ``size`` rows; the last one may be shorter."""
    pending: EncodedBlock | None = None
    for block in blocks:
        pending = block if pending is None else EncodedBlock.joined([pending, block])
        while len(pending.indices) >= size:
            first, pending = pending.split(size)
            yield first
    if pending is not None and len(pending.indices):
        yield pending


def _as_piece(block: EncodedBlock) -> Piece:
    """Return the arrays of a block."""
    arrays = {name: getattr(block, name) for name in _ROW_ARRAYS}
    return arrays | {f"ranges_{name}": getattr(block.ranges, name) for name in _RANGE_ARRAYS}


def _as_block(piece: Piece) -> EncodedBlock:
    """Return the block of the arrays."""
    ranges = ColumnRanges(**{name: piece[f"ranges_{name}"] for name in _RANGE_ARRAYS})
    arrays: dict[str, Any] = {name: piece[name] for name in _ROW_ARRAYS}
    return EncodedBlock(**arrays, ranges=ranges)


def _stored_summary(manifest: Manifest) -> EncodingSummary:
    """Return the summary in a manifest."""
    values = {name: value for name, value in manifest.summary.items() if name != ROWS_SHA256}
    return EncodingSummary(**values | {"notes": tuple(values["notes"]), "was_complete": True})
