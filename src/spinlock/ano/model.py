"""ANO as a Python object: fit or load, predict, sample, save.

Letters: ``N`` rows, ``T`` token columns, ``F`` families, ``P`` parameters, ``k`` candidates, ``S`` samples.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, Unpack

import numpy as np
import torch

from spinlock.ano.checkpoint.directory import ANODirectory
from spinlock.ano.checkpoint.record import ANOCheckpoint
from spinlock.ano.data.operators import checked_tokens
from spinlock.ano.predict_file import PredictionOptions, PredictionSummary, predict_file
from spinlock.ano.prediction import Prediction, Samples, joined_predictions
from spinlock.ano.predictor import BLOCK, Predictor, block_rows
from spinlock.ano.training.plan import make_plan
from spinlock.ano.training.run import Run, build_ensemble
from spinlock.ano.training.state import EpochRecord
from spinlock.arguments import checked_integer
from spinlock.config.ano import ANOConfig
from spinlock.config.ano_keywords import ANOKeywords
from spinlock.config.loading import resolve_ano_config
from spinlock.errors import CheckpointError
from spinlock.io.atomic import check_writable, write_files
from spinlock.io.predictions.datasets import MAX_CANDIDATES
from spinlock.paths import user_path
from spinlock.runtime.isolation import isolated

Config = ANOConfig | Mapping[str, Any] | str | os.PathLike[str] | None


class ANO:
    """A trained atomic neural operator: from tokens to families and parameters of operators.

    Parameters
    ----------
    checkpoint
        A finished model.

    Raises
    ------
    CheckpointError
        The checkpoint is of an unfinished run, or its weights do not fit the sizes of the network.

    Examples
    --------
    >>> prediction = ANO.load("best_model.pt").predict("tokens.h5")  # doctest: +SKIP
    >>> prediction.family_names[0], prediction.median[0]  # doctest: +SKIP
    """

    def __init__(self, checkpoint: ANOCheckpoint) -> None:
        calibration = checkpoint.calibration
        if calibration is None or not checkpoint.members:
            raise CheckpointError("the run is not finished", remedy="finish it with resume_from=...")
        self.checkpoint = checkpoint
        with isolated():
            try:
                ensemble = build_ensemble(checkpoint, list(checkpoint.members))
            except RuntimeError as error:
                raise CheckpointError("is damaged: its weights do not fit its network") from error
        self.predictor = Predictor(ensemble, checkpoint.space, calibration.temperature, calibration.widths)

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Load ``best_model.pt`` of a run, or a model that :meth:`save` wrote.

        Raises
        ------
        CheckpointError
            The file cannot be read, is not an ANO model, or is of an unfinished run.
        """
        path = user_path(path, "path")
        checkpoint = ANOCheckpoint.load(path)
        try:
            return cls(checkpoint)
        except CheckpointError as error:
            raise CheckpointError(error.what, where=str(path), remedy=error.remedy) from error

    @classmethod
    def fit(
        cls,
        tokens: Path | str | None = None,
        config: Config = None,
        *,
        on_epoch: Callable[[EpochRecord], None] = lambda record: None,
        save: bool = False,
        overwrite: bool = False,
        **keywords: Unpack[ANOKeywords],
    ) -> Self:
        """Train a model, or resume a run with ``resume_from``.

        Parameters
        ----------
        tokens
            Token file with parameters; None for ``tokens_path`` of the configuration.
        config
            A configuration, some of its keys, or the path of its file. Other keys have their production values.
        on_epoch
            Called after each epoch of each member with its losses.
        save
            Whether the run is written to ``output_dir`` during training.
        overwrite
            Whether the files of another run in ``output_dir`` are replaced.
        **keywords
            Keys of the configuration; they override ``config``.

        Returns
        -------
        ANO

        Raises
        ------
        ConfigError
            A key is unknown, or a value is out of range.
        DataError
            The token file is not suitable for training.
        CheckpointError
            The run to resume is finished, or has other tokens or another configuration.
        OutputError
            ``output_dir`` contains another run, or cannot be written.
        """
        given: dict[str, Any] = {**keywords, **({} if tokens is None else {"tokens_path": tokens})}
        settings = resolve_ano_config(config, given)
        if save:
            directory = ANODirectory(settings.output_dir)
            directory.check([settings.tokens_path], settings.resume_from, overwrite=overwrite)
        run = Run.start(make_plan(settings), command_line="ANO.fit")
        return cls(run.execute(on_epoch, save=save))

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Write the model.

        Raises
        ------
        OutputError
            The file exists and ``overwrite`` is false, or it cannot be written.
        """
        path = user_path(path, "path")
        check_writable(path, overwrite=overwrite)
        write_files({path: self.checkpoint.to_bytes()})

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the F families."""
        return self.checkpoint.space.families

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the P parameters."""
        return self.checkpoint.space.names

    @property
    def metrics(self) -> dict[str, Any]:
        """Metrics on the test operators; see :func:`spinlock.ano.calibration.fit.held_out_metrics`."""
        return self.checkpoint.metrics

    def predict(
        self, tokens: Any, *, candidates: int = 5, advance: Callable[[int], None] = lambda rows: None
    ) -> Prediction:
        """Predict the operators of tokens.

        Parameters
        ----------
        tokens
            Integers [N, T], or the path of a token file of the same tokenizer.
        candidates
            Number k of the most plausible operators of each row.
        advance
            Called with the number of rows that were predicted since its last call.

        Returns
        -------
        Prediction

        Raises
        ------
        DataError
            The tokens are of another tokenizer, or an index is outside its codebook.
        """
        checked_integer("candidates", candidates, minimum=1, maximum=MAX_CANDIDATES)
        parts = []
        with isolated():
            for block in self._blocks(tokens):
                parts.append(self.predictor.predict(block, candidates))
                advance(len(block))
        return joined_predictions(parts)

    def predict_file(
        self,
        tokens: Path | str,
        output: Path | str,
        *,
        candidates: int = 5,
        samples: int = 0,
        seed: int = 0,
        overwrite: bool = False,
        advance: Callable[[int], None] = lambda rows: None,
    ) -> PredictionSummary:
        """Predict the operators of a token file, and write the predictions.

        ``candidates`` and ``samples`` are numbers for each row, and ``seed`` is that of the samples; the errors are
        those of :func:`spinlock.ano.predict_file.predict_file`.
        """
        paths = user_path(tokens, "tokens"), user_path(output, "output")
        options = PredictionOptions(candidates, samples, seed)
        return predict_file(self, *paths, options, overwrite=overwrite, advance=advance)

    def sample(self, tokens: Any, count: int, *, seed: int = 0) -> Samples:
        """Draw operators from the posterior of each row.

        Parameters
        ----------
        tokens
            As for :meth:`predict`.
        count
            Number S of samples of each row.
        seed
            Seed of the random numbers.

        Returns
        -------
        Samples
            Families [N, S] and parameters [N, S, P].

        Raises
        ------
        DataError
            As for :meth:`predict`.
        """
        options = PredictionOptions(samples=checked_integer("count", count, minimum=1), seed=seed)
        generator = torch.Generator().manual_seed(options.seed)
        with isolated():
            parts = [
                self.predictor.sample(block, count, generator) for block in self._blocks(tokens, block_rows(count))
            ]
        return Samples(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("family", "parameters")))

    def _blocks(self, tokens: Any, size: int = BLOCK) -> list[torch.Tensor]:
        """Return blocks of tokens, after a check that they are of the tokenizer of the model."""
        source = self.checkpoint.source
        values = checked_tokens(tokens, source.columns, source.model_sha256)
        return list(torch.split(torch.from_numpy(values), size))
