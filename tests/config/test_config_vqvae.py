"""The complete configuration: keys, order, production values and schema."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from spinlock import config
from spinlock.config import VQVAEConfig, config_schema
from spinlock.config.section import Section, identity_keys

SECTIONS = (
    config.DataSettings,
    config.CleaningSettings,
    config.CategorySettings,
    config.ModelSettings,
    config.OptimizationSettings,
    config.LossSettings,
    config.CodebookSettings,
    config.CheckpointSettings,
    config.RuntimeSettings,
)
PRODUCTION = {
    "input_path": Path("datasets/test_4k_phase1_phase2.h5"),
    "output_dir": Path("checkpoints/vqvae/production_4k"),
    "feature_family": "sdf",
    "feature_type": "aggregated",
    "validation_fraction": 0.1,
    "split_seed": 42,
    "split_by": None,
    "fit_rows": 200_000,
    "max_table_mb": None,
    "max_missing_fraction": 0.5,
    "max_constant_fraction": 0.995,
    "duplicate_correlation": 0.9999,
    "clip_lower_percentile": 0.1,
    "clip_upper_percentile": 99.9,
    "normalization_method": "auto",
    "category_assignment": "auto",
    "category_mapping_file": None,
    "num_categories_auto": None,
    "orthogonality_target": 0.25,
    "comparison_rate": None,
    "min_features_per_category": 3,
    "max_clusters": 50,
    "embedding_dim": 126,
    "hidden_dim": None,
    "compression_ratios": "0.5:1:1.5",
    "factors": None,
    "category_factors": None,
    "assignment": "local",
    "target_quality": 0.9,
    "max_bits": None,
    "warm_start": True,
    "epochs": 410,
    "batch_size": 1024,
    "val_batch_size": 1024,
    "learning_rate": 0.0007,
    "val_every_n_epochs": 5,
    "reconstruction_weight": 1.0,
    "commitment_cost": 0.5,
    "orthogonality_weight": 0.1,
    "informativeness_weight": 0.1,
    "topo_weight": 0.45,
    "topo_samples": 1024,
    "use_ema": True,
    "ema_decay": 0.995,
    "dead_code_reset_interval": 10000,
    "dead_code_threshold": 10.0,
    "dead_code_max_reset_fraction": 0.5,
    "checkpoint_use_composite": True,
    "checkpoint_loss_weight": 1.0,
    "checkpoint_topo_weight": 0.5,
    "checkpoint_quality_weight": 0.5,
    "checkpoint_dir": None,
    "save_every": None,
    "resume_from": None,
    "early_stopping_patience": 250,
    "early_stopping_min_delta": 0.001,
    "use_torch_compile": True,
    "device": "auto",
    "random_seed": 42,
    "verbose": False,
}
CHANGEABLE = {
    *("input_path", "output_dir", "checkpoint_dir", "resume_from"),
    *("epochs", "learning_rate", "early_stopping_patience", "early_stopping_min_delta", "save_every"),
    *("use_torch_compile", "device", "verbose", "val_batch_size"),
}
"""Keys that a resumed run may change. They do not identify the tokenizer."""


def test_every_default_is_the_production_value_and_the_order_is_frozen():
    assert list(VQVAEConfig().model_dump().items()) == list(PRODUCTION.items())


def test_the_defaults_are_valid():
    assert VQVAEConfig.model_validate(VQVAEConfig().model_dump()) == VQVAEConfig()


def test_a_configuration_is_an_instance_of_every_section_and_no_key_is_in_two_sections():
    whole = VQVAEConfig()
    assert all(isinstance(whole, section) for section in SECTIONS)
    keys = [key for section in SECTIONS for key in section.model_fields]
    assert keys == list(VQVAEConfig.model_fields)


@pytest.mark.parametrize("model", [*SECTIONS, config.LevelFactors])
def test_every_key_has_a_description_that_is_a_sentence(model: type[Section]):
    for key, field in model.model_fields.items():
        assert (field.description or "").endswith("."), key


@pytest.mark.parametrize(
    ("key", "unit"),
    [
        ("epochs", "epochs"),
        ("dead_code_reset_interval", "optimizer steps"),
        ("dead_code_threshold", "percentile"),
    ],
)
def test_the_schema_contains_units(key: str, unit: str):
    assert config_schema()["properties"][key]["unit"] == unit


def test_the_keys_that_identify_a_tokenizer_are_frozen():
    assert identity_keys(VQVAEConfig) == PRODUCTION.keys() - CHANGEABLE


def test_a_configuration_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        VQVAEConfig().epochs = 3  # type: ignore[misc]


def test_schema_covers_every_key_and_allows_comments_only():
    schema = config_schema()
    assert list(schema["properties"]) == list(PRODUCTION)
    assert all("description" in node for node in schema["properties"].values())
    assert schema["additionalProperties"] is False
    assert list(schema["patternProperties"]) == ["^_|^\\$schema$"]
    assert {"type": "array"}.items() <= schema["properties"]["compression_ratios"]["anyOf"][1].items()


def test_importing_the_configuration_imports_no_numeric_library():
    heavy = {"torch", "h5py", "numpy", "sklearn", "scipy"}
    program = f"import sys, spinlock.config; print(sorted({heavy!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
