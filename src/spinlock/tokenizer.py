"""The tokenizer as a Python object: fit or load, encode, decode, evaluate, save.

Letters: ``N`` operators, ``M`` rows of one operator in a 3-D table, ``D`` input columns, ``C`` categories.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, Unpack

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.arguments import checked_items
from spinlock.checkpoint.directory import RunDirectory
from spinlock.checkpoint.file import load_checkpoint, to_bytes
from spinlock.config import VQVAEConfig
from spinlock.config.keywords import ConfigKeywords
from spinlock.encoding import Advance, EncodingSummary, TrainedModel, decode_file, encode_features, encode_file
from spinlock.errors import SpinlockWarning
from spinlock.io.atomic import check_writable, write_files
from spinlock.io.feature_table import FeatureTable
from spinlock.model import LEVELS
from spinlock.paths import user_path
from spinlock.preprocessing.copied_rows import copied_rows_warning
from spinlock.runtime.isolation import isolated
from spinlock.sharding.shard import Shard
from spinlock.training.callbacks import Callback, SaveCheckpoints
from spinlock.training.fit import fit
from spinlock.training_inputs import Config, training_inputs


class Tokenizer(TrainedModel):
    """A trained tokenizer.

    Its parameters and properties are those of :class:`~spinlock.encoding.trained_model.TrainedModel`.

    Examples
    --------
    >>> tokenizer = Tokenizer.load("checkpoints/vqvae/production_4k/best_model.pt")  # doctest: +SKIP
    >>> tokens = tokenizer.encode(features)  # [N, 3C]  # doctest: +SKIP
    >>> restored = tokenizer.decode(tokens)  # [N, D]  # doctest: +SKIP
    """

    @classmethod
    def load(cls, path: Path | str, device: torch.device | str = "cpu") -> Self:
        """Load ``best_model.pt`` or ``last.pt`` of a run, or a tokenizer that :meth:`save` wrote.

        Raises
        ------
        CheckpointError
            The file cannot be read or is not a checkpoint of this program.
        DataError
            ``path`` is not a path, or the device does not exist.
        """
        with isolated():
            return cls(load_checkpoint(user_path(path, "path")), device)

    @classmethod
    def fit(
        cls,
        features: Any,
        config: Config = None,
        *,
        feature_names: Sequence[str] | None = None,
        groups: Sequence[Any] | NDArray[Any] | None = None,
        callbacks: Sequence[Callback] = (),
        save: bool = False,
        overwrite: bool = False,
        **keywords: Unpack[ConfigKeywords],
    ) -> Self:
        """Train a tokenizer, or resume a run with ``resume_from``.

        Parameters
        ----------
        features
            A table of :func:`spinlock.read_features`; the path of a dataset; or an array, tensor or data frame, whose
            columns must all be numbers, [N, D] or [N, M, D]. A 3-D array needs ``feature_type``.
        config
            A configuration, some of its keys, or the path of its file. Other keys have their production values.
        feature_names
            Column names [D] of an array. They must not contradict the names of a data frame.
        groups
            Labels [N] of the operators. Operators with the same label are on the same side of the split.
        callbacks
            Called at each step, validation and save; a callback can stop the run.
        save
            Whether the run is written to ``output_dir`` during training, so that it can be resumed if it is stopped.
        overwrite
            Whether the files of another run in ``output_dir`` are replaced.
        **keywords
            Keys of the configuration; they override ``config``.

        Returns
        -------
        Tokenizer
            The best model of the run, also if a callback stopped it. A :class:`~spinlock.errors.SpinlockWarning` is
            issued if more than 1 % of the validation rows equal a training row.

        Raises
        ------
        ConfigError
            A key is unknown, a value is out of range, or a key contradicts the features.
        DataError
            The features are not suitable for training, or an argument does not apply to them.
        CheckpointError
            The run to resume has other features or another configuration.
        OutputError
            ``output_dir`` contains another run, or cannot be written.
        """
        callbacks = list(checked_items("callbacks", callbacks, Callback))
        settings, table = training_inputs(features, config, keywords, feature_names=feature_names, groups=groups)
        if save:
            callbacks.insert(0, _saving(settings, table, overwrite=overwrite))
        result = fit(settings, table, callbacks, command_line="Tokenizer.fit")
        assert result.run is not None, "only a dry run has no run"
        _warn(copied_rows_warning(result.plan.data))
        checkpoint = replace(result.run.checkpoint(), path=Path("<fitted>"))
        return cls(checkpoint, result.plan.data.train.device)

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Write the tokenizer as a checkpoint.

        Parameters
        ----------
        path
            File to write.
        overwrite
            Whether an existing file is replaced.

        Raises
        ------
        DataError
            ``path`` is not a path.
        OutputError
            The file exists or cannot be written.
        """
        path = user_path(path, "path")
        check_writable(path, overwrite=overwrite)
        write_files({path: to_bytes(self.checkpoint)})

    def encode(self, features: Any) -> NDArray[np.int64]:
        """Encode features.

        A :class:`~spinlock.errors.SpinlockWarning` is issued if more than 5 % of all cells, or 50 % of the cells of a
        column, are outside the training range and are clipped, if most columns vary by less than 5 % of it, or if more
        than half of the cells, or of a column that had values in training, are missing. Columns that the model does not
        use, such as a column of identifiers, are ignored; their number and names are logged at level INFO of the logger
        ``spinlock``.

        Parameters
        ----------
        features
            An array or tensor [N, D] or [N, M, D]; or a data frame, a labeled array, a table of
            :func:`spinlock.read_features` or the path of a dataset, whose columns are matched by name.

        Returns
        -------
        ndarray
            Tokens [N, 3C] or [N, M, 3C], int64.

        Raises
        ------
        DataError
            The features cannot be read, a column is missing, or an array has a wrong number of columns.
        """
        tokens, warning = encode_features(self.codec, features)
        _warn(warning)
        return tokens

    def encode_file(
        self,
        dataset: Path | str,
        output: Path | str | Shard,
        *,
        batch_size: int = 8192,
        overwrite: bool = False,
        strict: bool = False,
        advance: Advance = lambda rows: None,
    ) -> EncodingSummary:
        """Encode a dataset, or one :class:`spinlock.Shard` of it, to a token file; memory does not grow with the rows.

        The parameters and errors are those of :func:`spinlock.encoding.encode_file`; ``advance`` is called with the
        number of rows that were encoded since its last call.
        """
        target = output if isinstance(output, Shard) else user_path(output, "output")
        options: dict[str, Any] = {"overwrite": overwrite, "strict": strict, "advance": advance}
        summary = encode_file(self.codec, user_path(dataset, "dataset"), target, batch_size=batch_size, **options)
        assert summary is not None, "a single process is the main process"
        return summary

    def decode(self, tokens: Any, levels: int = LEVELS) -> NDArray[np.floating[Any]]:
        """Decode tokens.

        Parameters
        ----------
        tokens
            Integers [N, 3C] or [N, M, 3C]: an array, a tensor, or a data frame with the token columns of the model,
            which are matched by name.
        levels
            Number of levels of each category to use, 1 to 3.

        Returns
        -------
        ndarray
            Features [N, D] or [N, M, D] in raw units, float32, or float64 if the digits of float32 do not suffice.

        Raises
        ------
        DataError
            A token is missing, hidden or not an integer, the number of columns is wrong, a token column is missing, a
            token is outside its codebook, or ``levels`` is not an integer from 1 to 3.
        """
        return self.codec.decode_tokens(tokens, levels)

    def decode_file(
        self,
        tokens: Path | str,
        output: Path | str,
        *,
        levels: int = LEVELS,
        overwrite: bool = False,
        advance: Advance = lambda rows: None,
    ) -> int:
        """Decode a token file into a dataset of features in raw units; returns the number of rows.

        The parameters and errors are those of :func:`spinlock.encoding.decode_file`.
        """
        paths = user_path(tokens, "tokens"), user_path(output, "output")
        return decode_file(self.codec, *paths, levels=levels, overwrite=overwrite, advance=advance)


def _warn(warning: str) -> None:
    """Issue a warning at the caller of a method, unless it is empty."""
    if warning:
        warnings.warn(warning, SpinlockWarning, stacklevel=3)


def _saving(settings: VQVAEConfig, table: FeatureTable, *, overwrite: bool) -> SaveCheckpoints:
    """Return the callback that writes the run, after checking that it may write its files."""
    directory = RunDirectory(settings.output_dir, settings.checkpoint_dir)
    directory.check_files([Path(table.path)], settings.resume_from)
    if not overwrite:
        directory.refuse_other_run(settings.resume_from)
    return SaveCheckpoints(overwrite=overwrite)
