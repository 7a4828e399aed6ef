"""Types, ranges and contradictions of single sections."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from spinlock.config import (
    CategorySettings,
    CheckpointSettings,
    CleaningSettings,
    DataSettings,
    LevelFactors,
    ModelSettings,
    VQVAEConfig,
)

NAN, INF = float("nan"), float("inf")
MAPPING = Path("mapping.json")


def build(**values: object) -> VQVAEConfig:
    return VQVAEConfig.model_validate(values)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", "5"),
        ("epochs", 5.0),
        ("epochs", True),
        ("epochs", None),
        ("learning_rate", "0.1"),
        ("learning_rate", True),
        ("learning_rate", 10**400),
        ("use_ema", 1),
        ("use_ema", "true"),
        ("verbose", None),
        ("feature_family", 3),
        ("feature_type", "Aggregated"),
        ("input_path", 3),
        ("input_path", None),
        ("category_factors", [1]),
        ("hidden_dim", "auto"),
    ],
)
def test_types_are_strict(key: str, value: object):
    with pytest.raises(ValidationError):
        build(**{key: value})


@pytest.mark.parametrize("key", ["learning_rate", "commitment_cost", "ema_decay", "early_stopping_min_delta"])
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_floats_are_finite(key: str, value: float):
    with pytest.raises(ValidationError):
        build(**{key: value})


def test_an_integer_is_converted_for_a_float_key():
    weight = build(topo_weight=1).topo_weight
    assert weight == 1.0
    assert isinstance(weight, float)


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("validation_fraction", [0.001, 0.5, 0.999], [0, 1, -0.1]),
        ("split_seed", [0, 2**32 - 1], [-1, 2**32]),
        ("fit_rows", [100], [99]),
        ("max_missing_fraction", [0, 1], [-0.1, 1.1]),
        ("max_constant_fraction", [0.1, 1], [0, 1.1]),
        ("duplicate_correlation", [0.5, 1], [0, 1.1]),
        ("clip_lower_percentile", [0, 99], [-1, 101]),
        ("clip_upper_percentile", [1, 100], [-1, 101]),
        ("num_categories_auto", [1, 50, None], [0, -1]),
        ("orthogonality_target", [0.01, 1], [0, 1.1]),
        ("min_features_per_category", [1], [0]),
        ("max_clusters", [1], [0]),
        ("embedding_dim", [1], [0]),
        ("hidden_dim", [1, None], [0]),
        ("epochs", [0], [-1]),
        ("batch_size", [1], [0]),
        ("val_batch_size", [1], [0]),
        ("learning_rate", [1e-9, 1], [0, -1e-3, 1.5]),
        ("val_every_n_epochs", [1], [0]),
        ("reconstruction_weight", [0, 100], [-0.1]),
        ("commitment_cost", [0, 100], [-0.1]),
        ("orthogonality_weight", [0, 100], [-0.1]),
        ("informativeness_weight", [0, 100], [-0.1]),
        ("topo_weight", [0, 100], [-0.1]),
        ("topo_samples", [3, 10**6], [2, 0]),
        ("ema_decay", [0, 0.9999], [-0.1, 1]),
        ("dead_code_reset_interval", [0], [-1]),
        ("dead_code_threshold", [0, 100], [-1, 101]),
        ("dead_code_max_reset_fraction", [0, 1], [-0.1, 1.1]),
        ("checkpoint_loss_weight", [0], [-1]),
        ("checkpoint_topo_weight", [0], [-1]),
        ("checkpoint_quality_weight", [0], [-1]),
        ("save_every", [1, None], [0]),
        ("early_stopping_patience", [1, 10**6], [0]),
        ("early_stopping_min_delta", [0], [-0.1]),
        ("random_seed", [0, 2**32 - 1], [-1, 2**32]),
    ],
)
def test_values_are_accepted_only_within_their_ranges(key: str, good: list[object], bad: list[object]):
    for value in good:
        assert getattr(build(**{key: value}), key) == value
    for value in bad:
        with pytest.raises(ValidationError):
            build(**{key: value})


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:0", "cuda:12"])
def test_device_names_are_accepted(device: str):
    assert build(device=device).device == device


@pytest.mark.parametrize("device", ["", "gpu", "CPU", "cuda:", "cuda:-1", "cuda:01", "cuda:x", "cpu\n", "mps"])
def test_other_device_names_are_refused(device: str):
    with pytest.raises(ValidationError):
        build(device=device)


@pytest.mark.parametrize("label", ["labels/family", "labels/two words"])
def test_split_by_accepts_a_label(label: str):
    assert DataSettings(split_by=label).split_by == label


@pytest.mark.parametrize("label", ["", "family", "labels/", "/labels/family", "labels/a/b", "params/family"])
def test_split_by_refuses_other_paths(label: str):
    with pytest.raises(ValidationError):
        DataSettings(split_by=label)


@pytest.mark.parametrize("family", ["", "a/b", " ", "a b"])
def test_a_feature_family_that_is_not_one_group_is_refused(family: str):
    with pytest.raises(ValidationError):
        DataSettings(feature_family=family)


def test_paths_become_path_objects_and_a_tilde_is_expanded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/somebody")
    settings = build(input_path="data/a.h5", output_dir="~/out", checkpoint_dir=Path("x"), resume_from="/~odd/name")
    assert settings.input_path == Path("data/a.h5")
    assert settings.output_dir == Path("/somebody/out")
    assert settings.checkpoint_dir == Path("x")
    assert settings.resume_from == Path("/~odd/name")


@pytest.mark.parametrize("path", ["", "  ", "a\0b", "a\nb", "a\udcff", "~no-such-user/a"])
def test_invalid_paths_are_refused(path: str):
    with pytest.raises(ValidationError):
        build(input_path=path)


@pytest.mark.parametrize(
    ("ratios_argument", "ratios", "text"),
    [
        ("0.5:1:1.5", (0.5, 1.0, 1.5), "0.5:1:1.5"),
        ("0.50 : 1.0 : 1.5", (0.5, 1.0, 1.5), "0.5:1:1.5"),
        ([0.5, 1, 1.5], (0.5, 1.0, 1.5), "0.5:1:1.5"),
        ((1, 2, 3), (1.0, 2.0, 3.0), "1:2:3"),
        ("1e-3:1:1000", (0.001, 1.0, 1000.0), "0.001:1:1000"),
    ],
)
def test_compression_ratios_are_normalized_to_one_form(
    ratios_argument: object, ratios: tuple[float, float, float], text: str
):
    settings = ModelSettings.model_validate({"compression_ratios": ratios_argument})
    assert settings.ratios == ratios
    assert settings.compression_ratios == text
    assert settings.level_count == 3


@pytest.mark.parametrize(
    "ratios_argument",
    [
        *("", "1:2", "1:2:3:4", "1:2:x", "0:1:1", "-1:1:1", "nan:1:1", "inf:1:1", "1:1:1001", "1::2"),
        [1, 2],
        [1, 2, 3, 4],
        [1, 2, True],
        ["1", "2", "3"],
        [0, 1, 1],
        [1, 2, NAN],
        [1, 2, 10**400],
        [1, 2, None],
        *(None, 5, 0.5, {"a": 1}),
    ],
)
def test_invalid_compression_ratios_are_refused(ratios_argument: object):
    with pytest.raises(ValidationError):
        ModelSettings.model_validate({"compression_ratios": ratios_argument})


def test_factors_have_three_levels_and_null_is_automatic():
    levels = [{"latent_dim": 8, "num_codes": 16}, {"num_codes": None}, {}]
    settings = ModelSettings.model_validate({"factors": levels, "category_factors": {"spectral": levels}})
    assert settings.factors == (LevelFactors(latent_dim=8, num_codes=16), LevelFactors(), LevelFactors())
    assert settings.category_factors == {"spectral": settings.factors}


@pytest.mark.parametrize(
    "levels",
    [
        [],
        [{}, {}],
        [{}, {}, {}, {}],
        [{}, {}, None],
        [{}, {}, 4],
        {"latent_dim": 4},
        "abc",
        [{}, {}, {"codes": 4}],
        [{}, {}, {"num_codes": 0}],
        [{}, {}, {"num_codes": 4.0}],
        [{}, {}, {"latent_dim": -1}],
    ],
)
def test_invalid_factors_are_refused(levels: object):
    with pytest.raises(ValidationError):
        ModelSettings.model_validate({"factors": levels})
    with pytest.raises(ValidationError):
        ModelSettings.model_validate({"category_factors": {"spectral": levels}})


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"num_categories_auto": 50, "max_clusters": 50},
        {"category_assignment": "manual", "category_mapping_file": MAPPING},
        {"category_assignment": "hybrid", "category_mapping_file": MAPPING, "num_categories_auto": 4},
    ],
)
def test_consistent_category_settings_are_accepted(values: dict[str, object]):
    CategorySettings.model_validate(values)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"category_assignment": "manual"}, "manual needs a category_mapping_file"),
        ({"category_assignment": "hybrid"}, "hybrid needs a category_mapping_file"),
        ({"category_mapping_file": MAPPING}, "auto reads no category_mapping_file"),
        (
            {"category_assignment": "manual", "category_mapping_file": MAPPING, "num_categories_auto": 4},
            "set num_categories_auto to null",
        ),
        ({"num_categories_auto": 51}, "num_categories_auto has to be at most max_clusters"),
        ({"num_categories_auto": 8, "max_clusters": 7}, "num_categories_auto has to be at most max_clusters"),
    ],
)
def test_contradictory_category_settings_are_refused(values: dict[str, object], reason: str):
    with pytest.raises(ValidationError, match=reason):
        CategorySettings.model_validate(values)
    with pytest.raises(ValidationError, match=reason):
        build(**values)


@pytest.mark.parametrize(("lower", "upper"), [(50.0, 50.0), (60.0, 40.0)])
def test_clipping_percentiles_must_be_in_order(lower: float, upper: float):
    with pytest.raises(ValidationError, match="clip_lower_percentile has to be below"):
        CleaningSettings(clip_lower_percentile=lower, clip_upper_percentile=upper)


def test_a_composite_score_needs_a_weight():
    none = {"checkpoint_loss_weight": 0, "checkpoint_topo_weight": 0, "checkpoint_quality_weight": 0}
    with pytest.raises(ValidationError, match="at least one weight above 0"):
        CheckpointSettings.model_validate(none)
    CheckpointSettings.model_validate({**none, "checkpoint_use_composite": False})
    CheckpointSettings.model_validate({**none, "checkpoint_topo_weight": 0.1})


def test_all_contradictions_are_reported_together():
    with pytest.raises(ValidationError) as caught:
        build(num_categories_auto=51, clip_lower_percentile=100, category_mapping_file="m.json")
    for reason in (
        "at most max_clusters",
        "below clip_upper_percentile",
        "auto reads no category_mapping_file",
    ):
        assert reason in str(caught.value)
