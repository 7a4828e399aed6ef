"""Which epoch becomes the best model: the lowest score among those that reconstruct no worse than epoch 0."""

from __future__ import annotations

from spinlock.checkpoint.progress import ValidationResult
from spinlock.config import CheckpointSettings
from spinlock.training.run import TrainingState


def checkpoint_score(validation: ValidationResult, settings: CheckpointSettings) -> float:
    """loss_weight * val_loss + topo_weight * (1 - topographic) + quality_weight * (1 - quality), or val_loss alone.

    Lower is better. The same score stops training early.
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
    protect_start: bool,
) -> bool:
    """Keep the current weights as the best model if they are; returns whether they are.

    Parameters
    ----------
    state
        The state of the run, just validated.
    validation, score
        What the validation measured, and its score.
    settings
        For ``early_stopping_min_delta``, the decrease of the score that counts for early stopping.
    protect_start
        Whether an epoch with a lower quality than epoch 0 is never the best.
    """
    progress = state.progress
    if progress.epoch == 0:
        progress.initial_quality = validation.quality
    worse_than_start = protect_start and validation.quality < progress.initial_quality
    if not score < progress.best_score or worse_than_start:
        return False
    if score < progress.reference_score - settings.early_stopping_min_delta:
        progress.reference_score, progress.reference_epoch = score, progress.epoch
    progress.best_score, progress.best_epoch, progress.best_loss = score, progress.epoch, validation.loss
    state.best_weights = {name: tensor.detach().clone() for name, tensor in state.model.state_dict().items()}
    state.best_validation = validation
    return True
