"""Decoding of a token file to a dataset of features in raw units. The rows are streamed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinlock import __version__
from spinlock.arguments import checked_integer
from spinlock.checkpoint.record import Checkpoint
from spinlock.encoding.row_codec import RowCodec
from spinlock.errors import DataError
from spinlock.io.atomic import check_writable
from spinlock.io.feature_writer import FeatureWriter
from spinlock.io.names import join_names
from spinlock.io.row_file import Attribute
from spinlock.io.token_layout import TokenColumns
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
    note: Callable[[str], None] = lambda text: None,
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
    note
        Called with what the user should know about the token file, for example annotations that cannot be copied.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    DataError
        The file is not a token file of this model, or ``levels`` is not 1 to 3.
    OutputError
        The output exists or cannot be written, or it is the token file or the file of the model.
    """
    levels = checked_integer("levels", levels, minimum=1, maximum=LEVELS)
    checkpoint = codec.checkpoint
    check_writable(output, overwrite=overwrite, inputs=[tokens, checkpoint.path])
    with TokenFile.open(tokens) as source:
        sha256 = check_model(source, checkpoint, tokens)
        order = column_order(source.columns, checkpoint, tokens)
        attributes: dict[str, Attribute] = {"program_version": __version__, "model_sha256": sha256}
        attributes["decoded_levels"] = levels
        with _writer(source, checkpoint, output, attributes, overwrite=overwrite) as writer:
            for _, block in source.blocks(READ_ROWS):
                triples = block[:, order].reshape(len(block), -1, LEVELS)[..., :levels].copy()
                writer.write(codec.decode(triples))
                advance(len(block))
        for text in source.notes:
            note(text)
        return source.num_rows


def _writer(
    source: TokenFile, checkpoint: Checkpoint, output: Path, attributes: Mapping[str, Attribute], *, overwrite: bool
) -> FeatureWriter:
    """Return the new dataset; its rows are float64 if the columns need it."""
    writer = FeatureWriter(
        output,
        checkpoint.feature_names,
        source.shape,
        family=checkpoint.dataset.family,
        feature_type=checkpoint.dataset.feature_type,
        attributes=attributes,
        annotations=source,
        overwrite=overwrite,
    )
    writer.dtype = checkpoint.cleaner.raw_dtype
    return writer


def check_model(source: TokenFile, checkpoint: Checkpoint, path: Path) -> str:
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


def column_order(stored: TokenColumns, checkpoint: Checkpoint, path: Path) -> NDArray[np.int64]:
    """Return the positions of the model's token columns in the file, after a check of the codebook sizes."""
    sizes = dict(zip(checkpoint.spec.category_names, checkpoint.spec.num_codes, strict=True))
    columns = TokenColumns.from_codebook_sizes(sizes)
    expected = dict(zip(columns.names, columns.codebook_size, strict=True))
    described = dict(zip(stored.names, stored.codebook_size, strict=True))
    if len(stored) != len(columns) or described != expected:
        different = [name for name in stored.names if described[name] != expected.get(name)] or list(columns.names)
        raise DataError(
            f"its token columns or codebook sizes are not those of the model: {join_names(different)}",
            where=f"{path}:/tokens",
            expected=f"the {len(columns)} columns of {checkpoint.path}",
            remedy="encode the dataset again",
        )
    position = {name: index for index, name in enumerate(stored.names)}
    return np.array([position[name] for name in columns.names], dtype=np.int64)
