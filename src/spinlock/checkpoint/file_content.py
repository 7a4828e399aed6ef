"""The parts of a checkpoint file that are read, by the names that they have in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True)
class FileContent:
    """Content that has the schema of ``layout``; see there for the kind of each part."""

    config: dict[str, Any]
    requested_config: dict[str, Any]
    model_spec: dict[str, Any]
    model_state_dict: dict[str, Any]
    optimizer_state_dict: dict[str, Any]
    training_state: dict[str, Any]
    cleaner: dict[str, Any]
    group_indices: dict[str, Any]
    normalization_stats: dict[str, Any]
    feature_names: list[str]
    dropped_features: dict[str, str]
    discovery: dict[str, Any]
    split: dict[str, Any]
    split_operators: dict[str, Any]
    dataset: dict[str, Any]
    history: dict[str, Any]
    metrics: dict[str, Any]
    val_loss: float
    validation_errors: Any
    provenance: dict[str, Any]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Select the parts from the content of a file."""
        return cls(**{field.name: content[field.name] for field in fields(cls)})
