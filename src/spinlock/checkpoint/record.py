"""The checkpoint as a typed record, and its conversion to a dictionary of tensors and plain data for a file.

Only this package contains the keys of the file. Other programs rely on the keys ``model_state_dict``,
``optimizer_state_dict``, ``group_indices``, ``normalization_stats``, ``feature_names``, ``config``, ``history``,
``val_loss`` and ``metrics``; encoding and resuming use the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.checkpoint.format import FORMAT_VERSION, KIND
from spinlock.checkpoint.history import History
from spinlock.checkpoint.progress import Progress, ValidationResult
from spinlock.checkpoint.provenance import DatasetIdentity, Provenance
from spinlock.checkpoint.statistics import category_statistics
from spinlock.checkpoint.tensors import to_tensors
from spinlock.config import VQVAEConfig
from spinlock.errors import CheckpointError
from spinlock.model import CategoricalVQVAE, ModelSpec, build_network
from spinlock.preprocessing.cleaning import Cleaner
from spinlock.preprocessing.split import Split
from spinlock.runtime.compilation import CompilePlan
from spinlock.runtime.isolation import isolated
from spinlock.sizing.selection import SelectionSummary


@dataclass(frozen=True)
class SavedState:
    """State from which training is resumed.

    ``weights`` are the current weights, ``average`` is their moving average, ``random_state`` is the state of torch's
    global generator, and ``environment`` describes the software and hardware of the run.
    """

    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, Any]
    progress: Progress
    compile_plan: CompilePlan
    random_state: Tensor
    environment: dict[str, Any]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], optimizer: dict[str, Any]) -> SavedState:
        """Restore the state from ``training_state`` of a checkpoint file."""
        return cls(
            weights=dict(values["weights"]),
            average=dict(values.get("average", values["weights"])),  # earlier versions had no average
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
        The configuration with all automatic values resolved, and the configuration as it was requested.
    spec, weights
        The specification of the network, and the weights of its best epoch so far.
    cleaner, split, dataset
        The fitted cleaning, the split and the identity of the dataset.
    selection
        Scores on which the selection of categories and codebook sizes is based.
    history, metrics
        The training history, and the final metrics, which are empty until the run is finished.
    validation
        Validation result of the best epoch.
    state
        State from which training is resumed.
    provenance
        How the run was started.
    path
        Path of the file, for error messages.
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
        """Names of all input columns, in the order of the training table."""
        return self.cleaner.names

    @property
    def category_columns(self) -> dict[str, list[int]]:
        """Indices into ``feature_names`` of the columns of each category, by its name."""
        names = zip(self.spec.category_names, self.spec.groups, strict=True)
        return {name: [int(self.cleaner.kept[j]) for j in group] for name, group in names}

    @property
    def finished(self) -> bool:
        """Whether the run is finished and the final metrics were measured."""
        return "reconstruction_quality" in self.metrics

    @property
    def identity(self) -> tuple[Any, ...]:
        """Values that are equal in all checkpoints of one run, also if it was resumed by another command or version."""
        return self.dataset, self.spec, self.provenance.seeds, self.provenance.started

    def build_model(self, device: torch.device | str = "cpu") -> CategoricalVQVAE:
        """Return the network with its best weights, in evaluation mode on the device.

        Raises
        ------
        CheckpointError
            The weights do not match the specification of the network.
        """
        model = build_network(self.spec, learned_codes=not self.config.use_ema)
        load_weights(model, self.weights, self.path)
        return model.to(device, torch.float32).eval()  # the caller may have changed the default dtype

    @isolated()
    def sha256(self) -> str:
        """Return the SHA-256 of the best weights: of the sorted names, each followed by the bytes of its tensor."""
        digest = hashlib.sha256()
        for name in sorted(self.weights):
            digest.update(name.encode())
            digest.update(self.weights[name].cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the file, for ``torch.save``."""
        state, split, derived = self.state, self.split, self.derived_parts()
        operators = derived["split"]  # torch.save stores a tensor that occurs twice only once
        if self.dataset.rows_per_operator > 1:
            sides = {"train": split.train_operators, "validation": split.validation_operators}
            operators = {side: _compact(indices) for side, indices in sides.items()}
        content = {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "model_state_dict": self.weights,
            "optimizer_state_dict": state.optimizer,
            "config": self.config.model_dump(mode="json"),
            "requested_config": self.requested,
            "history": self.history.columns,
            "metrics": self.metrics or self.validation.history_values(),
            "model_spec": self.spec.state(),
            "cleaner": self.cleaner.state(),
            "split_operators": operators,
            "dataset": asdict(self.dataset),
            "discovery": self.selection.to_dict(),
            "validation_errors": self.validation.errors,
            "training_state": {
                "weights": state.weights,
                "average": state.average,
                "progress": state.progress.to_dict(),
                "best_validation": self.validation.to_dict(),
                "compile": asdict(state.compile_plan),
                "random": {"seed": self.config.random_seed, "torch": state.random_state},
                "environment": state.environment,
            },
            "provenance": self.provenance.to_dict(),
        }
        return dict(to_tensors(content | derived))

    def derived_parts(self) -> dict[str, Any]:
        """Return the parts of the file that other programs read, and whose values follow from the other parts."""
        derived = {
            "group_indices": self.category_columns,
            "normalization_stats": category_statistics(self.spec, self.cleaner),
            "feature_names": list(self.feature_names),
            "dropped_features": self.cleaner.dropped,
            "val_loss": self.state.progress.best_loss,
            "split": {"train": _compact(self.split.train), "validation": _compact(self.split.validation)},
        }
        return dict(to_tensors(derived))


def load_weights(model: CategoricalVQVAE, weights: Mapping[str, Tensor], path: Path | str) -> None:
    """Load a state dict into a network.

    Raises
    ------
    CheckpointError
        Names or shapes do not match those of the network.
    """
    try:
        model.load_state_dict(dict(weights))
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"weights do not match model_spec ({first})", where=str(path)) from error


def _compact(positions: NDArray[np.int64]) -> Tensor:
    """Return indices as an int32 tensor if they fit."""
    fits = len(positions) == 0 or positions.max() <= np.iinfo(np.int32).max
    return torch.from_numpy(positions.astype(np.int32 if fits else np.int64))
