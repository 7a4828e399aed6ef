"""Conversion of the content of a file to a checkpoint: schema, consistency, then the typed record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spinlock.checkpoint import consistency, result_consistency
from spinlock.checkpoint.file_content import FileContent
from spinlock.checkpoint.format import REMEDY, check_format
from spinlock.checkpoint.history import History
from spinlock.checkpoint.progress import ValidationResult
from spinlock.checkpoint.provenance import DatasetIdentity, Provenance
from spinlock.checkpoint.record import Checkpoint, SavedState
from spinlock.checkpoint.schema import Mismatch
from spinlock.checkpoint.statistics import earlier_category_statistics
from spinlock.checkpoint.tensors import to_arrays, to_tensors
from spinlock.config import VQVAEConfig, config_from_mapping
from spinlock.errors import CheckpointError, ConfigError
from spinlock.model import ModelSpec
from spinlock.preprocessing.cleaning import Cleaner
from spinlock.preprocessing.split import Split, rows_of
from spinlock.sizing.selection import SelectionSummary


def to_checkpoint(raw: Any, path: Path = Path("<memory>")) -> Checkpoint:
    """Convert the result of :meth:`Checkpoint.to_dict` to a checkpoint.

    Parameters
    ----------
    raw
        Content of a file.
    path
        Path of the file, for error messages.

    Returns
    -------
    Checkpoint

    Raises
    ------
    CheckpointError
        The content is not a checkpoint, has another format version, or a part is damaged. The message names the part.
    """
    try:
        sizes = check_format(raw, path)
        content = FileContent.of(raw)
        consistency.check_columns(content.cleaner)
        consistency.check_ranks(content.cleaner)
        consistency.check_names(content)
        consistency.check_spec(content.model_spec, sizes["U"])
        consistency.check_split(content, sizes)
        result_consistency.check_progress(content)
        result_consistency.check_validation_errors(content)
        config = _config(content, "config")
        _config(content, "requested_config")
        consistency.check_normalizer(content.cleaner, config.normalization_method)
        seeds = {"random_seed": config.random_seed, "split_seed": config.split_seed}
        consistency.check_config(content, config, seeds)
        spec = ModelSpec.from_state(content.model_spec)
        consistency.check_weights(content, spec)
        consistency.check_optimizer(content)
        result_consistency.check_metrics(content)
        result_consistency.check_selection(content)
        checkpoint = _record(content, config, spec, path)
        _check_derived(content, checkpoint)
    except Mismatch as mismatch:
        what = f"is damaged: {mismatch.place} {mismatch.problem}"
        raise CheckpointError(what, where=str(path), expected=mismatch.expected, remedy=REMEDY) from None
    return checkpoint


def _check_derived(content: FileContent, checkpoint: Checkpoint) -> None:
    """Check the parts of the content that follow from the others; the statistics may be those of earlier versions."""
    derived = checkpoint.derived_parts()
    earlier = to_tensors(earlier_category_statistics(checkpoint.spec, checkpoint.cleaner))
    if consistency.is_same(content.normalization_stats, earlier):
        derived["normalization_stats"] = earlier
    consistency.check_derived(content, derived)


def _config(content: FileContent, key: str) -> VQVAEConfig:
    """Return a configuration of the content."""
    try:
        return config_from_mapping(getattr(content, key), where=key)
    except ConfigError as error:
        raise Mismatch(f"has a wrong value: {error.problems[0]}", place=key) from None


def _record(content: FileContent, config: VQVAEConfig, spec: ModelSpec, path: Path) -> Checkpoint:
    """Create the record from checked content."""
    state = content.training_state
    dataset = DatasetIdentity(**content.dataset)
    return Checkpoint(
        config=config,
        requested=content.requested_config,
        spec=spec,
        weights=content.model_state_dict,
        cleaner=Cleaner.from_state(to_arrays(content.cleaner)),
        split=_split(content.split_operators, dataset.rows_per_operator),
        dataset=dataset,
        selection=SelectionSummary.from_dict(content.discovery),
        history=History(content.history),
        metrics=content.metrics,
        validation=ValidationResult.from_dict(state["best_validation"], content.validation_errors),
        state=SavedState.from_dict(state, content.optimizer_state_dict),
        provenance=Provenance.from_dict(content.provenance),
        path=path,
    )


def _split(operators: Mapping[str, Any], rows_per_operator: int) -> Split:
    train, validation = (operators[side].long().numpy() for side in ("train", "validation"))
    return Split(rows_of(train, rows_per_operator), rows_of(validation, rows_per_operator), train, validation)
