"""Checkpoints: everything a run has learned, in one file that ``torch.load(path, weights_only=True)`` reads.

``model_state_dict`` holds the best weights so far, ``training_state`` the ones that training goes on from. Nothing but
tensors, numbers, strings, lists and dictionaries is stored, so that loading never executes anything.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spinlock.config import VQVAEConfig, config_from_mapping
from spinlock.errors import CheckpointError
from spinlock.model import CategoricalVQVAE, ModelSpec
from spinlock.preprocessing.cleaning import Cleaner

KIND = "spinlock-vqvae"
FORMAT_VERSION = 1

REMEDY = "give the best_model.pt or last.pt of a training run"

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
        "split_operators",
        "dataset",
        "discovery",
        "dropped_features",
        "provenance",
        "requested_config",
        "validation_errors",
    }
)

REQUIRED_STATE = frozenset({"weights", "progress", "best_validation", "compile", "random", "environment"})


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
        with _reading("model_spec", self.path):
            return ModelSpec.from_state(self.content["model_spec"])

    @property
    def feature_names(self) -> tuple[str, ...]:
        """All input columns in the order of the training file."""
        return tuple(self.content["feature_names"])

    def cleaner(self) -> Cleaner:
        """The fitted cleaning."""
        with _reading("cleaner", self.path):
            return Cleaner.from_state(to_arrays(self.content["cleaner"]))

    def model(self, device: torch.device | str = "cpu") -> CategoricalVQVAE:
        """The best model, in eval mode on the device."""
        model = CategoricalVQVAE(self.spec, learned_codes=not self.config.use_ema)
        load_weights(model, self.content["model_state_dict"], self.path)
        return model.to(device, torch.float32).eval()  # made in the default dtype of the calling program


@contextmanager
def _reading(part: str, path: Path) -> Iterator[None]:
    """A part that is not of its form is the checkpoint's fault."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"is damaged: {part} cannot be read", where=str(path), remedy=REMEDY) from error


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint without executing anything in it.

    Raises:
        CheckpointError: no such file, not a checkpoint, truncated, of another format version, or not only data.
    """
    path = Path(path)
    where, remedy = str(path), REMEDY
    content = _read(path)
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
    absent = sorted(REQUIRED_STATE - set(content["training_state"]))
    if absent:
        raise CheckpointError(f"lacks {', '.join(absent)} in training_state", where=where, remedy=remedy)
    return Checkpoint(path, content)


def _read(path: Path) -> Any:
    where = str(path)
    try:
        if path.is_dir():
            raise CheckpointError("is a directory", where=where, remedy=REMEDY)
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch.load itself reads past changed bytes
        if damaged is not None:
            raise CheckpointError(f"is damaged ({damaged})", where=where, remedy=REMEDY)
        return torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except FileNotFoundError:
        raise CheckpointError("no such checkpoint", where=where, remedy=REMEDY) from None
    except pickle.UnpicklingError as error:
        what = "holds more than data (an object that would run code was refused)"
        raise CheckpointError(what, where=where, remedy=REMEDY) from error
    except Exception as error:
        system = error.strerror if isinstance(error, OSError) else None
        what = f"cannot be read ({system})" if system else "is truncated, damaged or not a checkpoint"
        raise CheckpointError(what, where=where, remedy=REMEDY) from error


def to_bytes(content: Mapping[str, Any]) -> bytes:
    """Serialize a checkpoint's content."""
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
        return torch.from_numpy(np.require(value, requirements=["C", "W"]))  # 0-d stays 0-d
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
