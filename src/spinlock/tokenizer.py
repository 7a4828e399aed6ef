"""The tokenizer as a Python object: fit or load, encode, decode, evaluate, save.

Letters: ``N`` operators, ``M`` rows of one operator in a 3-D table, ``D`` input columns, ``C`` categories.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, Unpack

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.checkpoint.file import load_checkpoint, to_bytes
from spinlock.checkpoint.record import Checkpoint
from spinlock.config import VQVAEConfig
from spinlock.config.keywords import ConfigKeywords
from spinlock.encoding import EncodedBlock, EncodingSummary, RowCodec, check_tokens, decode_file, encode_file
from spinlock.errors import DataError
from spinlock.io.arrays import feature_values
from spinlock.io.atomic import write_files
from spinlock.io.names import match_columns
from spinlock.model import LEVELS, CategoricalVQVAE
from spinlock.model.codec import make_codec
from spinlock.runtime.device import choose_device
from spinlock.training.callbacks import Callback, SaveCheckpoints
from spinlock.training.fit import fit
from spinlock.training.inputs import training_inputs


class Tokenizer:
    """A trained tokenizer.

    Parameters
    ----------
    checkpoint
        The checkpoint of the trained model.
    device
        Device of the computation: ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.

    Examples
    --------
    >>> tokenizer = Tokenizer.load("checkpoints/vqvae/production_4k/best_model.pt")  # doctest: +SKIP
    >>> tokens = tokenizer.encode(features)  # [N, 3C]  # doctest: +SKIP
    >>> restored = tokenizer.decode(tokens)  # [N, D]  # doctest: +SKIP
    """

    def __init__(self, checkpoint: Checkpoint, device: torch.device | str = "cpu") -> None:
        self.checkpoint = checkpoint
        self.device = choose_device(str(device))
        self.model: CategoricalVQVAE = checkpoint.build_model(self.device)
        self._cached: tuple[tuple[CategoricalVQVAE, list[int]], RowCodec] | None = None

    @classmethod
    def load(cls, path: Path | str, device: torch.device | str = "cpu") -> Self:
        """Load ``best_model.pt`` or ``last.pt`` of a run, or a tokenizer that :meth:`save` wrote.

        Raises
        ------
        CheckpointError
            The file cannot be read or is not a checkpoint of this program.
        DataError
            The device does not exist.
        """
        return cls(load_checkpoint(path), device)

    @classmethod
    def fit(
        cls,
        features: Any,
        config: VQVAEConfig | Mapping[str, Any] | None = None,
        *,
        feature_names: Sequence[str] | None = None,
        groups: Sequence[Any] | NDArray[Any] | None = None,
        callbacks: Sequence[Callback] = (),
        save: bool = False,
        **keywords: Unpack[ConfigKeywords],
    ) -> Self:
        """Train a tokenizer, or resume a run with ``resume_from``.

        Parameters
        ----------
        features
            A table of :func:`spinlock.read_features`; or the path of a dataset; or an array or tensor [N, D] or
            [N, M, D], or a data frame [N, D]. A 3-D array needs ``feature_type``.
        config
            A configuration, or a mapping with some of its keys. The other keys have their production values.
        feature_names
            Column names [D] of an array.
        groups
            Labels [N] of the operators of an array. Operators with the same label are either all training or all
            validation operators.
        callbacks
            Called at each step, validation and save; a callback can stop the run.
        save
            Whether checkpoints, history and statistics are written to ``output_dir`` during training, so that a stopped
            run can be resumed. By default nothing is written.
        **keywords
            Keys of the configuration; they override ``config``.

        Returns
        -------
        Tokenizer
            The best model of the run, also if a callback stopped it.

        Raises
        ------
        ConfigError
            A key is unknown, or a value is out of range.
        DataError
            The features are not suitable for training.
        CheckpointError
            The run to resume has other features or another configuration.
        OutputError
            ``output_dir`` cannot be written.
        """
        settings, table = training_inputs(features, config, keywords, feature_names=feature_names, groups=groups)
        saving = [SaveCheckpoints()] if save else []
        result = fit(settings, table, [*saving, *callbacks], command_line="Tokenizer.fit")
        assert result.run is not None, "only a dry run has no run"
        checkpoint = replace(result.run.checkpoint(), path=Path("<fitted>"))
        return cls(checkpoint, result.plan.data.train.device)

    def save(self, path: Path | str) -> None:
        """Write the tokenizer as a checkpoint.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        write_files({Path(path): to_bytes(self.checkpoint)})

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the D input columns, in the order that :meth:`encode` expects for an array."""
        return self.checkpoint.feature_names

    @property
    def categories(self) -> dict[str, tuple[str, ...]]:
        """{category: names of its columns}, in the order of the tokens."""
        columns = self.checkpoint.category_columns
        return {name: tuple(self.feature_names[j] for j in members) for name, members in columns.items()}

    @property
    def codebook_sizes(self) -> dict[str, tuple[int, int, int]]:
        """{category: numbers of codes of its three levels}, in the order of the tokens."""
        return dict(zip(self.model.spec.category_names, self.model.spec.num_codes, strict=True))

    @property
    def metrics(self) -> dict[str, Any]:
        """Final metrics of the training run; empty if the run was stopped."""
        return self.checkpoint.metrics

    def encode(self, features: Any) -> NDArray[np.int64]:
        """Encode features.

        Parameters
        ----------
        features
            An array or tensor [N, D] or [N, M, D], or a data frame, whose columns are matched by name.

        Returns
        -------
        ndarray
            Tokens [N, 3C] or [N, M, 3C], int64.

        Raises
        ------
        DataError
            A column of the data frame is missing, or the array has a wrong number of columns.
        """
        values, names = feature_values(features)
        if names is not None:
            values = values[..., match_columns(names, self.feature_names)]
        if values.shape[-1] != len(self.feature_names):
            raise DataError(
                f"features have {values.shape[-1]} columns",
                expected=f"{len(self.feature_names)}, in the order of feature_names",
            )
        tokens = self.encode_block(values.reshape(-1, values.shape[-1])).indices
        return tokens.reshape(*values.shape[:-1], tokens.shape[-1])

    def encode_block(self, rows: NDArray[np.floating[Any]]) -> EncodedBlock:
        """Return tokens, reconstruction errors, and fractions of clipped and imputed cells of raw rows [n, D]."""
        return self._codec.encode(rows)

    def encode_file(
        self, dataset: Path | str, output: Path | str, *, batch_size: int = 8192, overwrite: bool = False
    ) -> EncodingSummary:
        """Encode a dataset to a token file. The rows are streamed, so that memory does not grow with the dataset.

        The parameters and errors are those of :func:`spinlock.encoding.encode_file`.
        """
        summary = encode_file(self._codec, Path(dataset), Path(output), batch_size=batch_size, overwrite=overwrite)
        assert summary is not None, "a single process is the main process"
        return summary

    def decode(self, tokens: Any, levels: int = LEVELS) -> NDArray[np.floating[Any]]:
        """Decode tokens.

        Parameters
        ----------
        tokens
            Integers [N, 3C] or [N, M, 3C].
        levels
            Number of levels of each category to use, 1 to 3.

        Returns
        -------
        ndarray
            Features [N, D] or [N, M, D] in raw units, float32, or float64 if the digits of float32 do not suffice.

        Raises
        ------
        DataError
            The tokens are not integers, the number of columns is wrong, a token is outside its codebook, or ``levels``
            is not 1 to 3.
        """
        if levels not in range(1, LEVELS + 1):
            raise DataError(f"levels is {levels}", expected=f"1 to {LEVELS}")
        indices = check_tokens(tokens, self.model.spec)
        triples = indices.reshape(-1, indices.shape[-1] // LEVELS, LEVELS)[..., :levels].copy()
        rows = self._codec.decode(triples)
        return rows.reshape(*indices.shape[:-1], rows.shape[-1])

    def decode_file(
        self, tokens: Path | str, output: Path | str, *, levels: int = LEVELS, overwrite: bool = False
    ) -> int:
        """Decode a token file into a dataset of features in raw units; returns the number of rows.

        The parameters and errors are those of :func:`spinlock.encoding.decode_file`.
        """
        return decode_file(self._codec, Path(tokens), Path(output), levels=levels, overwrite=overwrite)

    def sha256(self) -> str:
        """Return the SHA-256 of the sorted names of the state dict, each followed by its little-endian values."""
        return self.checkpoint.sha256()

    @property
    def _codec(self) -> RowCodec:
        """The codec of the current model; it is created again after a weight has changed."""
        weights = self.model.state_dict().values()
        version = (self.model, [0 if weight.is_inference() else weight._version for weight in weights])
        if self._cached is None or self._cached[0] != version:
            self._cached = version, RowCodec(self.checkpoint, make_codec(self.model), self.device)
        return self._cached[1]
