"""Reading of token files: tokens for a prediction, and tokens with families and parameters for training.

Letters: ``N`` operators, ``T`` token columns, ``P`` parameters.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.config.ano import ANODataSettings
from spinlock.errors import DataError
from spinlock.io.annotations import read_operator_label
from spinlock.io.operator_parameters import ParameterTables, read_parameter_tables
from spinlock.io.token_decoder import TokenDecoder, read_token_decoder
from spinlock.io.token_layout import TokenColumns
from spinlock.io.tokens import TokenFile
from spinlock.paths import user_path


@dataclass(frozen=True)
class TokenRows:
    """The tokens of a file.

    Attributes
    ----------
    path
        The file.
    tokens
        Code indices [N, T].
    columns
        Category, level and codebook size of each of the T columns.
    model_sha256
        SHA-256 of the tokenizer that wrote the tokens.
    split
        Role [N] of each operator in the training of the tokenizer: ``train``, ``validation`` or ``new``.
    """

    path: Path
    tokens: NDArray[np.int64]
    columns: TokenColumns
    model_sha256: str
    split: NDArray[np.str_]

    @classmethod
    def read(cls, path: Path) -> TokenRows:
        """Read the tokens of a file.

        Raises
        ------
        DataError
            The file cannot be read, is not a token file, or has several rows of tokens for each operator.
        """
        with TokenFile.open(path) as file:
            if len(file.shape) != 1:
                raise DataError(
                    f"the tokens have shape {(*file.shape, len(file.columns))}",
                    where=f"{path}:/tokens/indices",
                    expected="one row of tokens for each operator, [N, T]",
                    remedy="encode the aggregated features with a tokenizer that was trained on them",
                )
            indices, columns, split = file.indices, file.columns, file.split
            model_sha256 = str(file.attributes.get("model_sha256", ""))
        return cls(path, indices, columns, model_sha256, split)

    def check_model(self, columns: TokenColumns, model_sha256: str) -> None:
        """Check that the tokens are of the tokenizer of a model.

        Raises
        ------
        DataError
            The token columns differ, or the tokens were written by another tokenizer.
        """
        remedy = "encode the dataset with the tokenizer of this ANO model, or train a model on tokens of this one"
        if self.columns != columns:
            expected = f"the {len(columns)} token columns of the model, with its codebook sizes"
            what = f"has {len(self.columns)} token columns of another layout"
            raise DataError(what, where=str(self.path), expected=expected, remedy=remedy)
        if self.model_sha256 != model_sha256:
            what = f"contains tokens of the tokenizer {self.model_sha256[:12]}"
            raise DataError(what, where=str(self.path), expected=f"tokenizer {model_sha256[:12]}", remedy=remedy)


@dataclass(frozen=True)
class OperatorTokens:
    """Tokens with the families and parameters of their operators.

    Attributes
    ----------
    rows
        The tokens.
    families
        Names of the families, in alphabetical order.
    family
        Index [N] of the family of each operator.
    parameters
        Coordinates and values [N, P] of the parameters that are predicted.
    decoder
        Decoder of the tokens, or None if the file does not contain it.
    """

    rows: TokenRows
    families: tuple[str, ...]
    family: NDArray[np.int64]
    parameters: ParameterTables
    decoder: TokenDecoder | None

    @classmethod
    def read(cls, settings: ANODataSettings) -> OperatorTokens:
        """Read the token file of a configuration.

        Raises
        ------
        DataError
            The file cannot be read, or lacks the label of the families or the parameters.
        """
        path = settings.tokens_path
        rows = TokenRows.read(path)
        labels = read_operator_label(path, settings.family_label, len(rows.tokens)).astype(str)
        families, family = np.unique(labels, return_inverse=True)
        tables = read_parameter_tables(path, len(rows.tokens))
        keep = [j for j, name in enumerate(tables.names) if not name.startswith(settings.excluded_parameters)]
        if not keep:
            expected = f"names that do not begin with {' or '.join(settings.excluded_parameters)}"
            raise DataError("every parameter is excluded", where=f"{path}:/parameters/names", expected=expected)
        kept = ParameterTables(tuple(tables.names[j] for j in keep), tables.unit[:, keep], tables.physical[:, keep])
        decoder = read_token_decoder(path, sum(rows.columns.codebook_size))
        return cls(rows, tuple(families.tolist()), family.astype(np.int64), kept, decoder)


def checked_tokens(tokens: Any, columns: TokenColumns, model_sha256: str) -> NDArray[np.int64]:
    """Return the tokens [N, T] of an array or of a token file.

    Raises
    ------
    DataError
        An array has another shape or other numbers than indices of the codebooks, or a file is of another tokenizer.
    """
    if isinstance(tokens, str | os.PathLike):
        rows = TokenRows.read(user_path(tokens, "tokens"))
        rows.check_model(columns, model_sha256)
        return rows.tokens
    codebook_sizes = columns.codebook_size
    values = np.asarray(tokens)
    expected = f"integers [N, {len(codebook_sizes)}]"
    if values.dtype.kind not in "iu" or values.ndim != 2 or values.shape[1] != len(codebook_sizes) or not len(values):
        raise DataError(f"tokens are {values.dtype} of shape {values.shape}", expected=expected)
    outside = np.argwhere((values < 0) | (values >= np.asarray(codebook_sizes)))
    if len(outside):
        row, column = outside[0].tolist()
        what = f"token {column} of row {row} is {values[row, column]}"
        raise DataError(what, expected=f"0 to {codebook_sizes[column] - 1}")
    return values.astype(np.int64)
