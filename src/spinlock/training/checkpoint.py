"""Checkpoints: everything a run has learned, in one file that ``torch.load(path, weights_only=True)`` reads.

``model_state_dict`` holds the best weights so far, ``training_state`` the ones that training goes on from. Nothing but
tensors, numbers, strings, lists and dictionaries is stored, so that loading never executes anything.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spinlock.config import VQVAEConfig, config_from_mapping
from spinlock.data.cleaning import Cleaner
from spinlock.errors import CheckpointError
from spinlock.model import CategoricalVQVAE, ModelSpec

KIND = "spinlock-vqvae"
FORMAT_VERSION = 1

REQUIRED = frozenset(
    {
        "model_state_dict",
        "optimizer_state_dict",
        "group_indices",
        "normalization_stats",
        "feature_names",
        "config",
        "history",
        "val_loss",
        "metrics",
        "training_state",
        "model_spec",
        "cleaner",
        "split",
        "dataset",
        "validation_errors",
    }
)


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint; ``content`` is the dictionary as stored."""

    path: Path
    content: dict[str, Any]

    @property
    def config(self) -> VQVAEConfig:
        """The resolved configuration of the run."""
        return config_from_mapping(self.content["config"], where=str(self.path))

    @property
    def spec(self) -> ModelSpec:
        """Categories and sizes."""
        return ModelSpec.from_state(self.content["model_spec"])

    @property
    def feature_names(self) -> tuple[str, ...]:
        """All input columns in the order of the training file."""
        return tuple(self.content["feature_names"])

    def cleaner(self) -> Cleaner:
        """The fitted cleaning."""
        return Cleaner.from_state(to_arrays(self.content["cleaner"]))

    def model(self, device: torch.device | str = "cpu") -> CategoricalVQVAE:
        """The best model, in eval mode on the device."""
        model = CategoricalVQVAE(self.spec, learned_codes=not self.config.use_ema)
        load_weights(model, self.content["model_state_dict"], self.path)
        return model.to(device).eval()


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint without executing anything in it.

    Raises:
        CheckpointError: no such file, not a checkpoint, truncated, of another format version, or not only data.
    """
    path = Path(path)
    where = str(path)
    remedy = "give the best_model.pt or last.pt of a training run"
    if path.is_dir():
        raise CheckpointError("is a directory", where=where, remedy=remedy)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError("no such checkpoint", where=where, remedy=remedy) from None
    except Exception as error:
        raise CheckpointError(_unreadable(error), where=where, remedy=remedy) from error
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise CheckpointError("is not a checkpoint of this program", where=where, remedy=remedy)
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"has format version {version}",
            where=where,
            expected=f"version {FORMAT_VERSION}",
            remedy="use the version of the program that wrote it, or train again",
        )
    absent = sorted(REQUIRED - content.keys())
    if absent:
        raise CheckpointError(f"lacks {', '.join(absent)}", where=where, remedy=remedy)
    return Checkpoint(path, content)


def _unreadable(error: Exception) -> str:
    text = str(error)
    if "Weights only load failed" in text or "Unsupported" in text:
        return "holds more than data (an object that would run code was refused)"
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error})"
    return "is damaged or not a checkpoint (truncated?)"


def to_bytes(content: Mapping[str, Any]) -> bytes:
    """Serialise a checkpoint's content."""
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    return buffer.getvalue()


def load_weights(model: CategoricalVQVAE, weights: Mapping[str, Tensor], path: Path | str) -> None:
    """Load a state dict; a mismatch is the checkpoint's fault.

    Raises:
        CheckpointError: names or shapes do not fit the model that the checkpoint describes.
    """
    try:
        model.load_state_dict(dict(weights))
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"weights do not fit its own sizes ({first})", where=str(path)) from error


def to_tensors(value: Any) -> Any:
    """Nested dictionaries and lists with NumPy arrays and scalars as tensors and plain numbers."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: to_tensors(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_tensors(item) for item in value]
    return value


def to_arrays(value: Any) -> Any:
    """Inverse of :func:`to_tensors`."""
    if isinstance(value, Tensor):
        return value.numpy()
    if isinstance(value, Mapping):
        return {key: to_arrays(item) for key, item in value.items()}
    if isinstance(value, list):
        return [to_arrays(item) for item in value]
    return value
