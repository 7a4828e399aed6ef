"""Decoding of a token file to a dataset of features in raw units. The rows are streamed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spinlock import __version__
from spinlock.checkpoint.record import Checkpoint
from spinlock.encoding.row_codec import RowCodec
from spinlock.errors import DataError
from spinlock.io.feature_writer import FeatureWriter
from spinlock.io.tokens import TokenFile
from spinlock.model import LEVELS

READ_ROWS = 8192
"""Rows that are read at a time."""


def decode_file(
    codec: RowCodec,
    tokens: Path,
    output: Path,
    *,
    levels: int = LEVELS,
    overwrite: bool = False,
    advance: Callable[[int], None] = lambda rows: None,
) -> int:
    """Decode a token file and write a dataset of features in raw units.

    Parameters
    ----------
    codec
        The model that encoded the tokens.
    tokens
        Token file.
    output
        Dataset to write.
    levels
        Number of levels of each category to use, 1 to 3.
    overwrite
        Whether an existing output is replaced.
    advance
        Called after each block with its number of rows.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    DataError
        The file is not a token file of this model, or ``levels`` is not 1 to 3.
    OutputError
        The output exists or cannot be written.
    """
    if levels not in range(1, LEVELS + 1):
        raise DataError(f"levels is {levels}", expected=f"1 to {LEVELS}")
    checkpoint = codec.checkpoint
    with TokenFile.open(tokens) as source:
        sha256 = _check_model(source, checkpoint, tokens)
        writer = FeatureWriter(
            output,
            checkpoint.feature_names,
            source.shape,
            family=checkpoint.dataset.family,
            feature_type=checkpoint.dataset.feature_type,
            attributes={"program_version": __version__, "model_sha256": sha256, "decoded_levels": levels},
            annotations=source,
            overwrite=overwrite,
        )
        with writer:
            for _, block in source.blocks(READ_ROWS):
                triples = block.reshape(len(block), -1, LEVELS)[..., :levels].copy()
                writer.write(codec.decode(triples))
                advance(len(block))
        return source.num_rows


def _check_model(source: TokenFile, checkpoint: Checkpoint, path: Path) -> str:
    """Return the SHA-256 of the model, after checking that this model encoded the token file."""
    sha256 = checkpoint.sha256()
    if source.attributes.get("model_sha256") != sha256:
        raise DataError(
            "was encoded with another model",
            where=str(path),
            expected=f"tokens of {checkpoint.path}",
            remedy="pass the checkpoint with which it was encoded, or encode again",
        )
    return sha256
