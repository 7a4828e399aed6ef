"""The tokenizer as a Python object: fit or load, encode, decode, save.

Letters: ``N`` rows, ``D`` columns, ``C`` categories, ``M`` rows of one operator in a 3-D table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.checkpoint.file import Checkpoint, load_checkpoint, to_bytes
from spinlock.config import VQVAEConfig, config_from_mapping
from spinlock.errors import DataError
from spinlock.evaluation.final_metrics import final_metrics
from spinlock.io.atomic import write_files
from spinlock.model import LEVELS, CategoricalVQVAE
from spinlock.model.codec.inference import BLOCK, Codec, full_precision
from spinlock.preprocessing.cleaning import match_columns
from spinlock.preprocessing.training_data import FeatureTable
from spinlock.runtime.device import choose_device
from spinlock.runtime.threads import parallel_map
from spinlock.training.observer import SilentObserver
from spinlock.training.plan import plan_step
from spinlock.training.prepare import prepare
from spinlock.training.run import new_run
from spinlock.training.stopping import StopRequest


@dataclass(frozen=True)
class EncodedBlock:
    """Tokens [n, 3C] and, for each row [n], what they can be trusted for.

    ``error`` mean squared reconstruction error in normalized units, ``percentile`` the share (in percent) of
    validation rows with a smaller one, ``clipped`` and ``imputed`` shares of its cells that had to be mended,
    ``near_tie`` whether another device may choose another code.
    """

    indices: NDArray[np.int64]
    error: NDArray[np.float32]
    percentile: NDArray[np.float32]
    clipped: NDArray[np.float64]
    imputed: NDArray[np.float64]
    near_tie: NDArray[np.bool_]


class Tokenizer:
    """A trained tokenizer.

    >>> tokenizer = Tokenizer.load("checkpoints/vqvae/production_4k/best_model.pt")  # doctest: +SKIP
    >>> tokens = tokenizer.encode(features)  # [N, 3C]  # doctest: +SKIP
    >>> restored = tokenizer.decode(tokens)  # [N, D]  # doctest: +SKIP
    """

    def __init__(self, checkpoint: Checkpoint, device: torch.device | str = "cpu") -> None:
        self.checkpoint = checkpoint
        self.device = choose_device(str(device))
        self.model: CategoricalVQVAE = checkpoint.model(self.device)
        self.cleaner = checkpoint.cleaner()
        self._made: tuple[tuple[CategoricalVQVAE, list[int]], Codec] | None = None
        self._errors: NDArray[np.float32] = checkpoint.content["validation_errors"].numpy()

    @classmethod
    def load(cls, path: Path | str, device: torch.device | str = "cpu") -> Self:
        """Load a checkpoint (``best_model.pt``, ``last.pt`` or a saved tokenizer).

        Raises:
            CheckpointError: it cannot be read or is not a checkpoint of this program.
            DataError: the device is not there.
        """
        return cls(load_checkpoint(path), device)

    @classmethod
    def fit(
        cls,
        features: Any,
        config: VQVAEConfig | Mapping[str, Any] | None = None,
        *,
        feature_names: Sequence[str] | None = None,
        groups: Sequence[Any] | None = None,
    ) -> Self:
        """Train on features [N, D] or [N, M, D] (NumPy, torch or pandas); nothing is written.

        ``config`` is a configuration or its keys; a key that is not given has its production value. Column names come
        from ``feature_names``, a data frame's columns, or are feature_0, feature_1, ... ``groups`` [N] are the labels
        that ``split_by`` names: rows of one group stay on one side of the split. For [N, M, D] set ``feature_type``.
        Long runs compile their step in this process where that pays, unless ``use_torch_compile`` is false.

        Raises:
            ConfigError: a key is unknown or a value out of range.
            DataError: the features cannot be trained on.
        """
        if not isinstance(config, VQVAEConfig):
            config = config_from_mapping(dict(config or {}), where="config")
        table = _table(features, feature_names, groups, config)
        device = choose_device(config.device)
        with _as_on_the_command_line():
            prepared = prepare(table, config, device)
            plan = plan_step(prepared, config, device)
            run = new_run(prepared, config, plan, device=device, command_line="Tokenizer.fit")
            run.train(SilentObserver(), StopRequest(), save=lambda state, best: None)
            run.metrics = final_metrics(run.best_model(), prepared.data)
        return cls(Checkpoint(Path("<fitted>"), run.content(run.state)), device)

    def save(self, path: Path | str) -> None:
        """Write the tokenizer as a checkpoint.

        Raises:
            OutputError: the file cannot be written.
        """
        write_files({Path(path): to_bytes(self.checkpoint.content)})

    @property
    def _codec(self) -> Codec:
        """Tables of the model as it is now, made anew when a weight has changed since."""
        weights = self.model.state_dict().values()
        now = (self.model, [0 if weight.is_inference() else weight._version for weight in weights])
        if self._made is None or self._made[0] != now:
            self._made = now, Codec(self.model)
        return self._made[1]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The D input columns, in the order that :meth:`encode` expects of an array."""
        return self.checkpoint.feature_names

    @property
    def categories(self) -> dict[str, tuple[str, ...]]:
        """{category: its columns}, in token order."""
        kept = self.cleaner.kept_names
        spec = self.model.spec
        return {
            name: tuple(kept[j] for j in group) for name, group in zip(spec.category_names, spec.groups, strict=True)
        }

    @property
    def codebook_sizes(self) -> dict[str, tuple[int, int, int]]:
        """{category: codes of its three levels}, in token order."""
        return dict(zip(self.model.spec.category_names, self.model.spec.num_codes, strict=True))

    @property
    def metrics(self) -> dict[str, Any]:
        """The final metrics of the training run."""
        metrics: dict[str, Any] = self.checkpoint.content["metrics"]
        return metrics

    def encode(self, features: Any) -> NDArray[np.int64]:
        """Tokens [N, 3C] of features [N, D], or [N, M, 3C] of [N, M, D]; a data frame's columns match by name.

        Raises:
            DataError: a column is missing, or the number of columns is another.
        """
        values, names = _values(features)
        if names is not None:
            values = values[..., match_columns(names, self.feature_names)]
        if values.shape[-1] != len(self.feature_names):
            raise DataError(
                f"features have {values.shape[-1]} columns",
                expected=f"{len(self.feature_names)}, in the order of feature_names",
            )
        tokens = self.encode_block(values.reshape(-1, values.shape[-1])).indices
        return tokens.reshape(*values.shape[:-1], tokens.shape[-1])

    def encode_block(self, rows: NDArray[np.float32]) -> EncodedBlock:
        """Tokens of raw rows [n, D] with their errors and the shares of mended cells."""

        def encode(part: NDArray[np.float32]) -> EncodedBlock:
            cleaned = self.cleaner.transform(part)
            encoded = codec.encode_block(torch.from_numpy(cleaned.values).to(self.device))
            error = encoded.error.cpu().numpy()
            rank = np.searchsorted(self._errors, error, side="left")
            return EncodedBlock(
                indices=encoded.indices.flatten(1).cpu().numpy(),
                error=error,
                percentile=(100.0 * rank / max(1, len(self._errors))).astype(np.float32),
                clipped=cleaned.clipped,
                imputed=cleaned.imputed,
                near_tie=encoded.near_tie.cpu().numpy(),
            )

        codec = self._codec
        starts = range(0, max(1, len(rows)), BLOCK)
        with full_precision():
            parts = parallel_map(encode, [rows[start : start + BLOCK] for start in starts], self.device)
        joined = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(EncodedBlock)}
        return EncodedBlock(**joined)

    def decode(self, tokens: Any, levels: int = LEVELS) -> NDArray[np.float32]:
        """Features [N, D] in raw units of tokens [N, 3C] (or [N, M, 3C]), from the first ``levels`` levels of each.

        Raises:
            DataError: no integers, another number of columns, a token beyond its codebook, or levels not in 1..3.
        """
        if levels not in range(1, LEVELS + 1):
            raise DataError(f"levels is {levels}", expected=f"1 to {LEVELS}")
        indices = np.asarray(tokens.cpu() if isinstance(tokens, torch.Tensor) else tokens)
        if indices.dtype.kind not in "iu":
            raise DataError(f"tokens are of type {indices.dtype}", expected="integers")
        indices = indices.astype(np.int64)
        sizes = np.array([size for sizes in self.model.spec.num_codes for size in sizes])
        if indices.ndim < 2 or indices.shape[-1] != len(sizes):
            raise DataError(f"tokens have shape {list(indices.shape)}", expected=f"[N, {len(sizes)}]")
        flat = indices.reshape(-1, len(sizes))
        outside = np.argwhere((flat < 0) | (flat >= sizes))
        if len(outside):
            row, column = outside[0].tolist()
            name = self.model.spec.token_columns()[column]
            raise DataError(f"token column {name} holds {flat[row, column]}", expected=f"0 to {sizes[column] - 1}")
        triples = torch.from_numpy(flat.reshape(len(flat), len(sizes) // LEVELS, LEVELS)[..., :levels].copy()).to(
            self.device
        )
        restored = self.cleaner.inverse_transform(self._codec.decode(triples).cpu().numpy())
        return restored.reshape(*indices.shape[:-1], restored.shape[-1])

    def sha256(self) -> str:
        """SHA-256 of the model: its state dict's names in order, each followed by its little-endian bytes."""
        digest = hashlib.sha256()
        weights = self.checkpoint.content["model_state_dict"]
        for name in sorted(weights):
            digest.update(name.encode())
            digest.update(weights[name].cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def _values(features: Any) -> tuple[NDArray[np.float32], list[str] | None]:
    """An array of float32, and the column names of a data frame."""
    names = [str(name) for name in features.columns] if hasattr(features, "columns") else None
    if isinstance(features, torch.Tensor):
        features = features.detach().cpu()
        features = (features.float() if features.dtype == torch.bfloat16 else features).numpy()
    try:
        with np.errstate(over="ignore"):
            if hasattr(features, "iloc"):  # a pandas frame, whose missing cells may be pandas.NA
                features = features.to_numpy(dtype=np.float32, na_value=np.nan)
            if np.iscomplexobj(features):
                raise DataError("features hold complex numbers", expected="real numbers")
            values = np.asarray(features).astype(np.float32)
    except (TypeError, ValueError):
        raise DataError("features hold text", expected="numbers") from None
    if values.ndim not in (2, 3):
        raise DataError(f"features have {values.ndim} dimensions", expected="[N, D] or [N, M, D]")
    return values, names


@contextmanager
def _as_on_the_command_line() -> Iterator[None]:
    """Neither autocast nor the precision or default dtype of the calling program reaches a fit."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with full_precision():
            yield
    finally:
        torch.set_default_dtype(before)


def _table(
    features: Any, feature_names: Sequence[str] | None, groups: Sequence[Any] | None, config: VQVAEConfig
) -> FeatureTable:
    values, frame_names = _values(features)
    names = [f"feature_{j}" for j in range(values.shape[-1])] if frame_names is None else frame_names
    names = names if feature_names is None else [str(name) for name in feature_names]
    if len(names) != values.shape[-1] or len(set(names)) != len(names):
        raise DataError(
            f"{len(set(names))} distinct feature names for {values.shape[-1]} columns", expected="one for each column"
        )
    if (config.feature_type == "aggregated") != (values.ndim == 2):
        raise DataError(
            f"features have {values.ndim} dimensions and feature_type is {config.feature_type}",
            expected="[N, D] for aggregated, [N, M, D] for per_trajectory and per_timestep",
        )
    if (config.split_by is None) != (groups is None):
        raise DataError("split_by and groups go together", expected="both or neither", remedy="pass groups=[N] labels")
    rows = np.ascontiguousarray(values.reshape(-1, values.shape[-1]), dtype="<f4")
    return FeatureTable(
        path="<memory>",
        family=config.feature_family,
        feature_type=config.feature_type,
        names=tuple(names),
        num_operators=len(values),
        rows_per_operator=1 if values.ndim == 2 else values.shape[1],
        sha256=hashlib.sha256(rows.tobytes()).hexdigest(),
        rows=rows,
        groups=None if groups is None else np.asarray(groups),
    )
