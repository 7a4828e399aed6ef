"""Messages about keys without an effect. ``test_effects`` compares them with the weights and tokens of runs."""

from typing import Any

from spinlock.config import VQVAEConfig
from spinlock.training.ineffective_keys import ineffective_key_messages, ineffective_keys


def requested(**settings: Any) -> dict[str, Any]:
    return VQVAEConfig().model_dump(mode="json") | settings


def test_keys_with_their_default_are_not_reported() -> None:
    assert ineffective_key_messages(requested(), num_resets=0) == []
    assert ineffective_key_messages(requested(assignment="joint"), num_resets=0) == []
    assert "ema_decay" in ineffective_keys(requested(assignment="joint"), num_resets=0)


def test_each_changed_key_is_reported_in_one_line() -> None:
    lines = ineffective_key_messages(
        requested(assignment="joint", ema_decay=0.9, commitment_cost=1.0, topo_weight=0.0, topo_samples=9), num_resets=3
    )
    reason = "assignment joint trains only the hidden layer after the sum of the codes, with the reconstruction loss"
    assert lines == [f"{key} has no effect: {reason}" for key in ("commitment_cost", "topo_samples", "ema_decay")]


def test_keys_of_resets_have_no_effect_if_no_reset_is_due() -> None:
    changed = requested(dead_code_threshold=5.0)
    assert ineffective_key_messages(changed, num_resets=0) == [
        "dead_code_threshold has no effect: no reset of dead codes is due"
    ]
    assert ineffective_key_messages(changed, num_resets=1) == []


def test_widths_are_set_by_factors_only_if_all_of_them_are() -> None:
    level = {"latent_dim": 4, "num_codes": None}
    for factors, expected in (([level] * 3, 1), ([level, level, level | {"latent_dim": None}], 0)):
        changed = requested(compression_ratios="1:1:1", factors=factors)
        assert len(ineffective_key_messages(changed, num_resets=0)) == expected
