"""Selection of the best epoch: the lowest score among epochs whose quality is clearly above that of epoch 0."""

from __future__ import annotations

import math

from spinlock.checkpoint.progress import ValidationResult
from spinlock.config import CheckpointSettings
from spinlock.training.run import TrainingState

ROW_DEVIATION = 0.02
"""Assumed standard deviation over rows of the difference of quality to epoch 0; the true one depends on the table."""


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
    """Copy the average of the weights to the best weights if the current epoch is the best so far.

    The quality of epoch 0 and the reference of early stopping are stored too. The reference can change without a new
    best epoch.

    Parameters
    ----------
    state
        State of the run after the validation.
    validation, score
        Result of the validation, and its score.
    settings
        Provides ``early_stopping_min_delta``, the minimum decrease of the score that delays early stopping.
    require_initial_quality
        Whether an epoch can be the best only if its quality is above that of epoch 0 by :data:`ROW_DEVIATION` / sqrt(m)
        for m validation rows. A smaller difference can be chance.

    Returns
    -------
    bool
        Whether the current epoch is the best so far.
    """
    progress = state.progress
    if progress.epoch == 0:
        progress.initial_quality = validation.quality
    gain = validation.quality - progress.initial_quality
    if not score < progress.best_score or (require_initial_quality and gain < 0):
        return False
    if score < progress.reference_score - settings.early_stopping_min_delta:
        progress.reference_score, progress.reference_epoch = score, progress.epoch
    margin = ROW_DEVIATION / math.sqrt(max(1, len(validation.errors)))
    if require_initial_quality and progress.epoch > 0 and gain < margin:
        return False
    progress.best_score, progress.best_epoch, progress.best_loss = score, progress.epoch, validation.loss
    state.best_weights = {name: tensor.detach().clone() for name, tensor in state.averaged.state_dict().items()}
    state.best_validation = validation
    return True
