"""The files in configs/vqvae are valid and equal the defaults. The README has the documented commands."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from spinlock.config import VQVAEConfig, config_schema, load_config

FOLDER = Path(__file__).parents[2] / "configs" / "vqvae"
SHIPPED = sorted(path for path in FOLDER.iterdir() if path.suffix in (".json", ".yaml") and path.name != "schema.json")
KEY_PARAMETERS = {
    "embedding_dim": 126,
    "compression_ratios": "0.5:1:1.5",
    "epochs": 410,
    "batch_size": 1024,
    "learning_rate": 0.0007,
    "commitment_cost": 0.5,
    "orthogonality_weight": 0.1,
    "informativeness_weight": 0.1,
    "topo_weight": 0.45,
    "topo_samples": 1024,
    "category_assignment": "auto",
    "num_categories_auto": None,
    "orthogonality_target": 0.25,
    "max_clusters": 50,
    "dead_code_reset_interval": 10000,
    "dead_code_threshold": 10.0,
    "ema_decay": 0.995,
    "checkpoint_use_composite": True,
    "checkpoint_loss_weight": 1.0,
    "checkpoint_topo_weight": 0.5,
    "checkpoint_quality_weight": 0.5,
    "early_stopping_patience": 250,
    "early_stopping_min_delta": 0.001,
}
COMMANDS = [
    "spinlock train-vqvae --config configs/vqvae/production.json",
    "spinlock train-vqvae --config configs/vqvae/production.json "
    "--input datasets/benchmark_50k.h5 --output checkpoints/vqvae/production_50k",
    "spinlock train-vqvae --config configs/vqvae/production.json "
    "--resume-from checkpoints/vqvae/production_4k/best_model.pt",
    "spinlock train-vqvae --config configs/vqvae/production.json --epochs 500 --batch-size 512 --learning-rate 0.001",
    "spinlock train-vqvae --config configs/vqvae/production.json --dry-run --verbose",
    "spinlock train-vqvae --config configs/vqvae/my_experiment.json",
    "spinlock encode-to-tokens --dataset datasets/test_4k_phase1_phase2.h5 "
    "--vqvae-model checkpoints/vqvae/production_4k/best_model.pt --output datasets/test_4k_tokens.h5",
]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_file_loads(path: Path):
    load_config(path)


@pytest.mark.parametrize("name", ["default.yaml", "production.json"])
def test_the_shipped_values_are_the_defaults(name: str):
    assert load_config(FOLDER / name) == VQVAEConfig()


def test_default_yaml_has_every_key_in_order_and_a_comment_above_each_group():
    lines = (FOLDER / "default.yaml").read_text().splitlines()
    keys = [line.partition(":")[0] for line in lines if line and not line.startswith("#")]
    assert keys == list(VQVAEConfig.model_fields)
    for above, line in pairwise(lines):
        assert line == "" or above != "" or line.startswith("#"), f"no comment above {line}"


def test_default_yaml_has_the_same_values_for_a_yaml_1_1_reader():
    assert VQVAEConfig.model_validate(yaml.safe_load((FOLDER / "default.yaml").read_text())) == VQVAEConfig()


def test_production_json_has_the_key_parameters_and_four_more_keys():
    values = json.loads((FOLDER / "production.json").read_text())
    assert KEY_PARAMETERS.items() <= values.items()
    assert values.keys() - KEY_PARAMETERS.keys() == {
        "input_path",
        "output_dir",
        "val_every_n_epochs",
        "use_torch_compile",
    }


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_file_of_the_key_parameters_gives_the_defaults(tmp_path: Path, suffix: str):
    path = tmp_path / f"key_parameters{suffix}"
    path.write_text(json.dumps(KEY_PARAMETERS) if suffix == ".json" else yaml.safe_dump(KEY_PARAMETERS))
    assert load_config(path) == VQVAEConfig()


def test_key_parameters_in_the_documented_form_give_the_defaults(tmp_path: Path):
    path = tmp_path / "plain.yaml"
    path.write_text("\n".join(f"{key}: {json.dumps(value)}" for key, value in KEY_PARAMETERS.items()))
    assert load_config(path) == VQVAEConfig()


def test_the_schema_is_up_to_date():
    shipped = json.loads((FOLDER / "schema.json").read_text())
    assert shipped == config_schema(), "write config_schema() to configs/vqvae/schema.json again"


def test_the_readme_has_every_command():
    text = re.sub(r"\s*\\\n\s*", " ", (FOLDER / "README.md").read_text())
    lines = {line.strip() for line in text.splitlines()}
    assert {f"poetry run {command}" for command in COMMANDS} <= lines
    assert "cp configs/vqvae/production.json configs/vqvae/my_experiment.json" in lines


def test_the_readme_states_the_defaults_of_existing_keys():
    text = (FOLDER / "README.md").read_text()
    defaults = VQVAEConfig().model_dump()
    stated = re.findall(r"^- `(\w+): ([^`]+)`", text.split("## Usage")[0], flags=re.MULTILINE)
    assert {key for key, _ in stated} == {*KEY_PARAMETERS, "target_quality", "max_bits", "assignment"}
    for key, value in stated:
        assert json.loads(value) == defaults[key], key
