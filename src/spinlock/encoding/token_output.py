"""Writing of a token file from blocks of raw rows and their tokens.

Letters: ``N`` operators, ``n`` rows of a block, ``C`` categories.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock import __version__
from spinlock.checkpoint.record import Checkpoint
from spinlock.encoding.ranges import RangeCheck
from spinlock.encoding.row_codec import EncodedBlock
from spinlock.encoding.summary import EncodingSummary
from spinlock.errors import DataError, located
from spinlock.io.arrays.row_precision import RawRows, RowDigest
from spinlock.io.features import FeatureSource
from spinlock.io.names import match_columns
from spinlock.io.row_file import Attribute
from spinlock.io.token_decoder import TokenDecoder
from spinlock.io.token_layout import SPLIT_NAMES, TokenColumns
from spinlock.io.token_writer import TokenWriter
from spinlock.model import LEVELS
from spinlock.runtime.threads import prefetch

STRICT_REMEDY = "convert the units or fill the columns, or encode without strict=True"

Advance = Callable[[int], None]
"""Function of the number of rows that were processed since its last call."""

RowsAndTokens = Iterator[tuple[RawRows, EncodedBlock]]
"""Raw rows [n, D] and their tokens, block by block."""


@dataclass(frozen=True)
class TokenOutput:
    """The token file to write.

    Attributes
    ----------
    path
        The file.
    overwrite
        Whether an existing file is replaced.
    strict
        Whether a range warning is an error.
    decoder
        Decoder of the tokens, or None.
    """

    path: Path
    overwrite: bool
    strict: bool
    decoder: TokenDecoder | None


class EncodingTotals:
    """Sums over encoded blocks, from which the summary is made."""

    def __init__(self, source: FeatureSource, checkpoint: Checkpoint) -> None:
        self._source, self._checkpoint = source, checkpoint
        self._check = RangeCheck(checkpoint)
        self._rows = 0
        self._imputed = self._clipped = self._errors = self._near_ties = 0.0
        self._started = time.perf_counter()

    def add(self, block: EncodedBlock) -> None:
        """Add a block."""
        self._rows += len(block.indices)
        self._imputed += float(block.imputed.sum())
        self._clipped += float(block.clipped.sum())
        self._errors += float(block.error.sum())
        self._near_ties += float(block.near_tie.sum())
        self._check.add(len(block.indices), block.ranges)

    def summary(self) -> EncodingSummary:
        """Return the summary of all blocks."""
        kept = len(self._checkpoint.cleaner.kept)
        return EncodingSummary(
            rows=self._rows,
            tokens_per_row=LEVELS * self._checkpoint.spec.num_categories,
            mean_error=self._errors / self._rows,
            imputed_cells=round(self._imputed * kept),
            clipped_cells=round(self._clipped * kept),
            extra_columns=len(self._source.names) - len(self._checkpoint.feature_names),
            near_tie_rows=round(self._near_ties),
            seconds=time.perf_counter() - self._started,
            notes=self._source.notes,
            range_warning=self._check.warning(),
        )


def model_columns(source: FeatureSource, checkpoint: Checkpoint) -> NDArray[np.int64] | None:
    """Return the positions of the model's columns in the dataset, or None if it has these columns in this order."""
    if source.names == checkpoint.feature_names:
        return None
    with located(source.path):
        return match_columns(source.names, checkpoint.feature_names)


def write_tokens(
    source: FeatureSource, checkpoint: Checkpoint, blocks: RowsAndTokens, output: TokenOutput, advance: Advance
) -> EncodingSummary:
    """Write a token file.

    Parameters
    ----------
    source
        The features, of which the annotations are copied.
    checkpoint
        The model that encoded the rows.
    blocks
        All rows in order. The raw rows are hashed.
    output
        The file to write.
    advance
        Called with the number of rows of each block.

    Returns
    -------
    EncodingSummary

    Raises
    ------
    DataError
        ``output.strict`` is true and there is a range warning.
    OutputError
        The file exists or cannot be written.
    """
    spec, hashes = checkpoint.spec, _Hashes(model_columns(source, checkpoint))
    totals = EncodingTotals(source, checkpoint)
    attributes: dict[str, Attribute] = {
        "program_version": __version__,
        "assignment": spec.assignment,
        "model_sha256": checkpoint.sha256(),
        "extra_columns": len(source.names) - len(checkpoint.feature_names),
    }
    columns = TokenColumns.from_codebook_sizes(dict(zip(spec.category_names, spec.num_codes, strict=True)))
    options: dict[str, Any] = {"attributes": attributes, "annotations": source, "overwrite": output.overwrite}
    shape = source.shape[:-1]
    with TokenWriter(output.path, columns, shape, decoder=output.decoder, **options) as writer:
        for rows, block in prefetch(blocks):
            hashes.update(rows)
            writer.write(
                block.indices,
                reconstruction_error=block.error,
                error_percentile=block.percentile,
                clipped_share=block.clipped,
                imputed_share=block.imputed,
            )
            totals.add(block)
            advance(len(rows))
        summary = totals.summary()
        if output.strict and summary.range_warning:
            raise DataError(summary.range_warning, where=str(source.path), remedy=STRICT_REMEDY)
        writer.write_split(_split_roles(source.num_operators, hashes.matched.hexdigest(), checkpoint))
        writer.set_attributes(_content_attributes(source, summary, hashes.stored.hexdigest()))
    return summary


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
