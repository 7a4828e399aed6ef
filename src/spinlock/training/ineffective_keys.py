"""Keys of the configuration that do not change the weights or the tokens of a run, because of other keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from spinlock.config import CodebookSettings, LossSettings, VQVAEConfig

RESET_KEYS = ("dead_code_threshold", "dead_code_max_reset_fraction")
DISCOVERY_KEYS = ("orthogonality_target", "min_features_per_category", "max_clusters", "comparison_rate")
SCORE_KEYS = ("checkpoint_loss_weight", "checkpoint_topo_weight", "checkpoint_quality_weight")
EPOCH_KEYS = ("learning_rate", "val_every_n_epochs", "early_stopping_patience", "early_stopping_min_delta")
EFFECTIVE_IN_JOINT_RUNS = ("reconstruction_weight", "topo_weight")
"""The first one trains the hidden layer after the sum of the codes. The second one changes the score of the best epoch,
because the decoded rows change; the losses of all other weights are constant."""


def ineffective_keys(requested: Mapping[str, Any], *, num_resets: int) -> dict[str, str]:
    """Return the keys that have no effect in a run, each with the reason.

    Parameters
    ----------
    requested
        Values of all keys, as they were requested.
    num_resets
        Number of dead-code resets that are due in the run.

    Returns
    -------
    dict
        {key: reason}, of all such keys, also of those that have their default value.
    """
    keys: dict[str, str] = {}
    for names, reason in _groups(requested, num_resets):
        for name in names:
            keys.setdefault(name, reason)
    return keys


def ineffective_key_messages(requested: Mapping[str, Any], *, num_resets: int) -> list[str]:
    """Return one line for each key without an effect whose value is not the default.

    The parameters are those of :func:`ineffective_keys`.
    """
    defaults = VQVAEConfig().model_dump(mode="json")
    return [
        f"{key} has no effect: {reason}"
        for key, reason in ineffective_keys(requested, num_resets=num_resets).items()
        if requested[key] != defaults[key]
    ]


def _groups(requested: Mapping[str, Any], num_resets: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield keys and the reason why they have no effect, the most general reason first."""
    training = (*LossSettings.model_fields, *CodebookSettings.model_fields)
    if requested["epochs"] == 0:
        yield (*training, *SCORE_KEYS, *EPOCH_KEYS), "epochs is 0, so that nothing is trained"
    if requested["assignment"] == "joint":
        unused = tuple(key for key in training if key not in EFFECTIVE_IN_JOINT_RUNS)
        yield (
            unused,
            "assignment joint trains only the hidden layer after the sum of the codes, with the reconstruction loss",
        )
    if requested["topo_weight"] == 0:
        yield ("topo_samples",), "topo_weight is 0"
    if num_resets == 0:
        yield RESET_KEYS, "no reset of dead codes is due"
        if not requested["use_ema"]:
            yield ("ema_decay",), "use_ema is false, and no reset of dead codes is due"
    if not requested["checkpoint_use_composite"]:
        yield SCORE_KEYS, "checkpoint_use_composite is false"
    if requested["early_stopping_patience"] >= requested["epochs"]:
        yield ("early_stopping_min_delta",), "early_stopping_patience is not below epochs"
    factors = requested["factors"] or ()
    if factors and all(level["latent_dim"] is not None for level in factors):
        yield ("compression_ratios",), "factors sets all latent widths"
    if requested["category_assignment"] == "manual":
        yield DISCOVERY_KEYS, "category_assignment manual discovers no categories"
        if factors and all(level["num_codes"] is not None for level in factors):
            yield ("target_quality", "max_bits"), "category_assignment manual and factors set all codebook sizes"
