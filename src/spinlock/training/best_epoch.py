"""Selection of the best epoch: the lowest score among epochs whose quality is not below that of epoch 0."""

from __future__ import annotations

from spinlock.checkpoint.progress import ValidationResult
from spinlock.config import CheckpointSettings
from spinlock.training.run import TrainingState


def checkpoint_score(validation: ValidationResult, settings: CheckpointSettings) -> float:
    """Return the score by which the best epoch is selected and training is stopped early; lower is better.

    The score is loss_weight * val_loss + topo_weight * (1 - topographic) + quality_weight * (1 - quality), or val_loss
    alone if ``checkpoint_use_composite`` is false.
    """
    if not settings.checkpoint_use_composite:
        return validation.loss
    return (
        settings.checkpoint_loss_weight * validation.loss
        + settings.checkpoint_topo_weight * (1 - validation.topographic_correlation)
        + settings.checkpoint_quality_weight * (1 - validation.quality)
    )


def keep_if_best(
    state: TrainingState,
    validation: ValidationResult,
    score: float,
    settings: CheckpointSettings,
    *,
    require_initial_quality: bool,
) -> bool:
    """Copy the current weights to the best weights if the current epoch is the best so far.

    Parameters
    ----------
    state
        State of the run after the validation.
    validation, score
        Result of the validation, and its score.
    settings
        Provides ``early_stopping_min_delta``, the minimum decrease of the score that delays early stopping.
    require_initial_quality
        Whether an epoch with a lower quality than epoch 0 cannot be the best.

    Returns
    -------
    bool
        Whether the current epoch is the best so far.
    """
    progress = state.progress
    if progress.epoch == 0:
        progress.initial_quality = validation.quality
    below_initial = require_initial_quality and validation.quality < progress.initial_quality
    if not score < progress.best_score or below_initial:
        return False
    if score < progress.reference_score - settings.early_stopping_min_delta:
        progress.reference_score, progress.reference_epoch = score, progress.epoch
    progress.best_score, progress.best_epoch, progress.best_loss = score, progress.epoch, validation.loss
    state.best_weights = {name: tensor.detach().clone() for name, tensor in state.model.state_dict().items()}
    state.best_validation = validation
    return True
