"""The checkpoint as a typed record, and its form in a file: tensors, numbers, strings, lists and dictionaries only.

No other module knows the keys of the file. The keys are those of the user's document (``model_state_dict``,
``optimizer_state_dict``, ``group_indices``, ``normalization_stats``, ``feature_names``, ``config``, ``history``,
``val_loss``, ``metrics``) and what encoding and resuming need beside them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.checkpoint.format import FORMAT_VERSION, KIND, check_format, read_part
from spinlock.checkpoint.history import History
from spinlock.checkpoint.progress import Progress, ValidationResult
from spinlock.checkpoint.provenance import DatasetIdentity, Provenance
from spinlock.checkpoint.statistics import category_statistics
from spinlock.checkpoint.tensors import to_arrays, to_tensors
from spinlock.config import VQVAEConfig, config_from_mapping
from spinlock.errors import CheckpointError
from spinlock.model import CategoricalVQVAE, ModelSpec, build_network
from spinlock.preprocessing.cleaning import Cleaner
from spinlock.preprocessing.split import Split, rows_of
from spinlock.runtime.compilation import CompilePlan
from spinlock.sizing.selection import SelectionSummary


@dataclass(frozen=True)
class SavedState:
    """What training continues from, beside the best model.

    ``weights`` are the current weights. ``random_state`` is the state of torch's global generator. ``environment``
    names the software and hardware of the run.
    """

    weights: dict[str, Tensor]
    optimizer: dict[str, Any]
    progress: Progress
    compile_plan: CompilePlan
    random_state: Tensor
    environment: dict[str, Any]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], optimizer: dict[str, Any]) -> SavedState:
        """The state in ``training_state`` of a checkpoint file."""
        return cls(
            weights=dict(values["weights"]),
            optimizer=optimizer,
            progress=Progress(**values["progress"]),
            compile_plan=CompilePlan(**values["compile"]),
            random_state=values["random"]["torch"],
            environment=dict(values["environment"]),
        )


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run stores.

    Attributes
    ----------
    config, requested
        The resolved configuration, and the keys as they were given.
    spec, weights
        The network and its best weights so far.
    cleaner, split, dataset
        The fitted cleaning, the split and the identity of the dataset.
    selection
        How categories and codebook sizes were selected.
    history, metrics
        The training history; the final metrics, empty while the run is not finished.
    validation
        What the best validation measured.
    state
        What training continues from.
    provenance
        How the run was started.
    path
        The file, for error messages.
    """

    config: VQVAEConfig
    requested: dict[str, Any]
    spec: ModelSpec
    weights: dict[str, Tensor]
    cleaner: Cleaner
    split: Split
    dataset: DatasetIdentity
    selection: SelectionSummary
    history: History
    metrics: dict[str, Any]
    validation: ValidationResult
    state: SavedState
    provenance: Provenance
    path: Path = Path("<memory>")

    @property
    def feature_names(self) -> tuple[str, ...]:
        """All input columns, in the order of the training file."""
        return self.cleaner.names

    @property
    def category_columns(self) -> dict[str, list[int]]:
        """{category: positions of its columns in ``feature_names``}."""
        names = zip(self.spec.category_names, self.spec.groups, strict=True)
        return {name: [int(self.cleaner.kept[j]) for j in group] for name, group in names}

    @property
    def finished(self) -> bool:
        """Whether the run came to its end and the final metrics were measured."""
        return "reconstruction_quality" in self.metrics

    @property
    def identity(self) -> tuple[Any, ...]:
        """What all checkpoints of one run have in common, also after it was resumed by another command or version."""
        return self.dataset, self.spec, self.provenance.seeds, self.provenance.started

    def build_model(self, device: torch.device | str = "cpu") -> CategoricalVQVAE:
        """The best model, in evaluation mode on the device.

        Raises
        ------
        CheckpointError
            The weights do not fit the network that the checkpoint describes.
        """
        model = build_network(self.spec, learned_codes=not self.config.use_ema)
        load_weights(model, self.weights, self.path)
        return model.to(device, torch.float32).eval()  # it is built in the default dtype of the calling program

    def sha256(self) -> str:
        """SHA-256 of the model: the sorted names of its state dict, each followed by its little-endian bytes."""
        digest = hashlib.sha256()
        for name in sorted(self.weights):
            digest.update(name.encode())
            digest.update(self.weights[name].cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The content of the file, for ``torch.save``."""
        state = self.state
        content = {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "model_state_dict": self.weights,
            "optimizer_state_dict": state.optimizer,
            "group_indices": self.category_columns,
            "normalization_stats": category_statistics(self.spec, self.cleaner),
            "feature_names": list(self.feature_names),
            "dropped_features": self.cleaner.dropped,
            "config": self.config.model_dump(mode="json"),
            "requested_config": self.requested,
            "history": self.history.columns,
            "val_loss": state.progress.best_loss,
            "metrics": self.metrics or self.validation.history_values(),
            "model_spec": self.spec.state(),
            "cleaner": self.cleaner.state(),
            **_split_content(self.split, self.dataset.rows_per_operator),
            "dataset": asdict(self.dataset),
            "discovery": self.selection.to_dict(),
            "validation_errors": self.validation.errors,
            "training_state": {
                "weights": state.weights,
                "progress": state.progress.to_dict(),
                "best_validation": self.validation.to_dict(),
                "compile": asdict(state.compile_plan),
                "random": {"seed": self.config.random_seed, "torch": state.random_state},
                "environment": state.environment,
            },
            "provenance": self.provenance.to_dict(),
        }
        return dict(to_tensors(content))

    @classmethod
    def from_dict(cls, content: Any, path: Path = Path("<memory>")) -> Checkpoint:
        """Inverse of :meth:`to_dict`.

        Raises
        ------
        CheckpointError
            The content is not that of a checkpoint, is of another format version, or a part is missing or damaged.
        """
        check_format(content, path)
        where = str(path)
        read = partial(read_part, content, where)
        dataset = read("dataset", lambda values: DatasetIdentity(**values))
        errors = read("validation_errors", Tensor.float, kind=Tensor)
        optimizer = read("optimizer_state_dict", dict)
        return cls(
            config=read("config", lambda values: config_from_mapping(values, where=where)),
            requested=read("requested_config", dict),
            spec=read("model_spec", ModelSpec.from_state),
            weights=read("model_state_dict", dict),
            cleaner=read("cleaner", lambda values: Cleaner.from_state(to_arrays(values))),
            split=read("split_operators", lambda values: _split_of(values, dataset.rows_per_operator)),
            dataset=dataset,
            selection=read("discovery", SelectionSummary.from_dict),
            history=read("history", History),
            metrics=read("metrics", dict),
            validation=read(
                "training_state", lambda values: ValidationResult.from_dict(values["best_validation"], errors)
            ),
            state=read("training_state", lambda values: SavedState.from_dict(values, optimizer)),
            provenance=read("provenance", Provenance.from_dict),
            path=path,
        )


def load_weights(model: CategoricalVQVAE, weights: Mapping[str, Tensor], path: Path | str) -> None:
    """Load a state dict into a network.

    Raises
    ------
    CheckpointError
        Names or shapes do not fit the network that the checkpoint describes.
    """
    try:
        model.load_state_dict(dict(weights))
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"weights do not fit its own sizes ({first})", where=str(path)) from error


def _split_content(split: Split, rows_per_operator: int) -> dict[str, Any]:
    """Rows and operators of both sides; one tensor for both where each operator has one row."""
    rows = {"train": _compact(split.train), "validation": _compact(split.validation)}
    operators = rows
    if rows_per_operator > 1:
        operators = {"train": _compact(split.train_operators), "validation": _compact(split.validation_operators)}
    return {"split": rows, "split_operators": operators}


def _split_of(operators: Mapping[str, Tensor], rows_per_operator: int) -> Split:
    train, validation = (operators[side].long().numpy() for side in ("train", "validation"))
    return Split(rows_of(train, rows_per_operator), rows_of(validation, rows_per_operator), train, validation)


def _compact(positions: NDArray[np.int64]) -> Tensor:
    """Positions as int32 where they fit. A tensor is stored once, however often it occurs."""
    fits = len(positions) == 0 or positions.max() <= np.iinfo(np.int32).max
    return torch.from_numpy(positions.astype(np.int32 if fits else np.int64))
