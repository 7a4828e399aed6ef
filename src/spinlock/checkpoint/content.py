"""What a run stores: the content of its checkpoints and the statistics beside them."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.checkpoint.file import FORMAT_VERSION, KIND, to_tensors
from spinlock.checkpoint.provenance import dataset_identity, environment, versions
from spinlock.config import VQVAEConfig
from spinlock.model import ModelSpec
from spinlock.preprocessing.training_data import TrainingData
from spinlock.training.compilation import CompilePlan
from spinlock.training.prepare import Prepared
from spinlock.training.state import TrainingState


@dataclass(frozen=True)
class Fixed:
    """What does not change during a run and is stored with it."""

    config: VQVAEConfig
    requested: dict[str, Any]
    data: TrainingData
    spec: ModelSpec
    compile_plan: CompilePlan
    discovery: dict[str, Any]
    command_line: str
    started: str


def checkpoint_content(fixed: Fixed, state: TrainingState, metrics: dict[str, Any]) -> dict[str, Any]:
    """Everything a checkpoint holds; ``metrics`` are the final ones, or empty while the run goes on."""
    table, cleaner = fixed.data.table, fixed.data.cleaner
    is_best = state.progress.best_epoch == state.progress.epoch and state.progress.step_in_epoch == 0
    best = {name: tensor.cpu() for name, tensor in state.best_weights.items()}
    current = {name: tensor.detach().cpu() for name, tensor in state.model.state_dict().items()}
    split, validation = fixed.data.split, state.best_validation
    rows = {"train": _short(split.train), "validation": _short(split.validation)}
    operators = rows
    if table.rows_per_operator > 1:
        operators = {"train": _short(split.train_operators), "validation": _short(split.validation_operators)}
    assert validation is not None, "epoch 0 is validated before anything is saved"
    content = {
        "kind": KIND,
        "format_version": FORMAT_VERSION,
        "model_state_dict": best,
        "optimizer_state_dict": state.optimizer.state_dict(),
        "group_indices": {
            name: [int(cleaner.kept[j]) for j in group]
            for name, group in zip(fixed.spec.category_names, fixed.spec.groups, strict=True)
        },
        "normalization_stats": category_statistics(fixed),
        "feature_names": list(table.names),
        "dropped_features": cleaner.dropped,
        "config": fixed.config.model_dump(mode="json"),
        "requested_config": fixed.requested,
        "history": state.history.columns,
        "val_loss": state.progress.best_loss,
        "metrics": metrics or validation.named(),
        "model_spec": fixed.spec.state(),
        "cleaner": cleaner.state(),
        "split": rows,
        "split_operators": operators,
        "dataset": dataset_identity(table),
        "discovery": fixed.discovery,
        "validation_errors": validation.errors,
        "training_state": {
            "weights": best if is_best else current,
            "progress": state.progress.state(),
            "best_validation": validation.figures(),
            "compile": asdict(fixed.compile_plan),
            "random": {"seed": fixed.config.random_seed, "torch": torch.get_rng_state()},
            "environment": environment(fixed.data.train.device),
        },
        "provenance": {
            "versions": versions(),
            "command_line": fixed.command_line,
            "started": fixed.started,
            "seeds": {"split_seed": fixed.config.split_seed, "random_seed": fixed.config.random_seed},
        },
    }
    return dict(to_tensors(content))


def _short(positions: NDArray[np.int64]) -> torch.Tensor:
    """Positions in half the memory, where they fit; a tensor, which is stored once however often it occurs."""
    fits = len(positions) == 0 or positions.max() <= np.iinfo(np.int32).max
    return torch.from_numpy(positions.astype(np.int32 if fits else np.int64))


def category_statistics(fixed: Fixed) -> dict[str, dict[str, Any]]:
    """Mean and standard deviation of the normalized columns, by category."""
    cleaner, spec = fixed.data.cleaner, fixed.spec
    return {
        name: {"mean": cleaner.mean[list(group)], "std": cleaner.std[list(group)]}
        for name, group in zip(spec.category_names, spec.groups, strict=True)
    }


def statistics_file(fixed: Fixed) -> bytes:
    """The same as an .npz file."""
    arrays = {
        f"{name}_{key}": values
        for name, statistics in category_statistics(fixed).items()
        for key, values in statistics.items()
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def discovery_record(prepared: Prepared) -> dict[str, Any]:
    """The scores over K of every candidate partition, and the expectations the sizes were chosen by."""
    found, sizes = prepared.categories.discovery, prepared.sizes
    return {
        "target": found.target,
        "meets_target": found.meets_target,
        "chosen": found.chosen.summary(),
        "candidates": [candidate.summary() for candidate in found.candidates],
        "ridge": sizes.ridge,
        "expected_quality": sizes.quality,
        "expected_utilization": sizes.utilization,
    }
