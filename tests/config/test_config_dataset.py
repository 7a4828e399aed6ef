"""Dataset configurations: errors for wrong values, and the shipped files."""

import json
from pathlib import Path

import pytest

from spinlock.config import DatasetConfig, dump_config, load_dataset_config
from spinlock.config.dataset import dataset_schema
from spinlock.config.listing import list_keys
from spinlock.config.ranges import Range
from spinlock.errors import ConfigError

FOLDER = Path(__file__).parents[2] / "configs" / "datasets"
WRONG_VALUES = [
    ("burgers_viscosity: [0.3, 0.03]", "burgers_viscosity: got [0.3, 0.03] from the file, expected [low, high]"),
    ("burgers_viscosity: [0, 1]", "two numbers above 0 and at most 1e6, with low <= high"),
    ("burgers_viscosity: [-1, 1]", "two numbers above 0 and at most 1e6, with low <= high"),
    ("burgers_viscosity: 0.1", "expected [low, high]"),
    ("burgers_viscosity: [0.1, .nan]", "expected [low, high]"),
    ("burgers_viscosity: [0.1, true]", "expected [low, high]"),
    ("neural_weight: [0.5, 1.5]", "two numbers from 0 to 1"),
    ("neural_noise: [-0.1, 0.1]", "two numbers from 0 to 1e6"),
    ("families: [burgers, navier]", 'families[1]: got "navier" from the file, expected one of advection_diffusion'),
    ("families: [wave, wave]", "a value is repeated"),
    ("families: []", "without families every operator is neural"),
    ("initial_conditions: [noise]", "expected one of power_law"),
    ("initial_conditions: []", "expected a list of one or more items, each item one of power_law"),
    ("neural_kernels: [4]", "expected one of 3, 5, 7"),
    ("grid_size: 8", "grid_size: got 8 from the file, expected an integer of at least 16"),
    ("grid_size: 16", "a grid of 16 points allows initial wave numbers of at most 4"),
    ("initial_wavenumber: [0.5, 2]", "a wave number has to be at least 1 cycle per domain"),
    (
        "burger_viscosity: [0.1, 1]",
        "burger_viscosity: got an unknown key from the file, did you mean burgers_viscosity?",
    ),
    ("zzz: 1", "there is no similar key; configs/datasets/benchmark_4k.yaml lists all keys"),
    ("num_samples: 0", "at least 1"),
    ("num_samples: 1.5", "expected an integer"),
]


@pytest.mark.parametrize(("text", "words"), WRONG_VALUES, ids=[text for text, _ in WRONG_VALUES])
def test_a_wrong_value_is_an_error_of_one_line(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_dataset_config(tmp_path / "bad.yaml")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_flags_override_set_and_set_overrides_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("num_samples: 5\nrandom_seed: 1\n")
    set_values = ["num_samples=6", "random_seed=2", "wave_speed=[1, 2]"]
    config = load_dataset_config(tmp_path / "a.yaml", overrides={"num_samples": 7}, set_values=set_values)
    assert (config.num_samples, config.random_seed, config.wave_speed) == (7, 2, Range(1.0, 2.0, "log"))


@pytest.mark.parametrize("name", ["quickstart", "benchmark_4k", "benchmark_50k", "test_4k_phase1_phase2"])
def test_shipped_files_survive_a_round_trip(name: str, tmp_path: Path) -> None:
    config = load_dataset_config(FOLDER / f"{name}.yaml")
    (tmp_path / "again.yaml").write_text(dump_config(config))
    assert load_dataset_config(tmp_path / "again.yaml") == config


def test_the_shipped_files_have_the_documented_sizes() -> None:
    names = ("quickstart", "benchmark_4k", "benchmark_50k", "test_4k_phase1_phase2")
    quick, four, fifty, document = (load_dataset_config(FOLDER / f"{name}.yaml") for name in names)
    assert (quick.num_samples, quick.grid_size, quick.neural_fraction) == (1024, 32, 0.1)
    assert (max(quick.neural_widths), max(quick.neural_depths)) == (16, 3)
    assert (four.num_samples, four.grid_size, four.neural_fraction, max(four.neural_widths)) == (4096, 64, 0.15, 32)
    assert (fifty.num_samples, max(fifty.neural_widths), max(fifty.neural_depths)) == (50000, 64, 5)
    assert four == document == DatasetConfig()


def test_benchmark_4k_lists_every_key() -> None:
    text = (FOLDER / "benchmark_4k.yaml").read_text()
    assert text.partition("\n\n")[2] == list_keys(DatasetConfig()).lstrip("\n")
    assert all(f"\n{key}: " in text for key in DatasetConfig.model_fields)


def test_the_shipped_schema_is_up_to_date() -> None:
    assert json.loads((FOLDER / "schema.json").read_text()) == dataset_schema()


def test_former_names_of_keys_are_read(tmp_path: Path) -> None:
    path = tmp_path / "former.yaml"
    path.write_text("num_realisations: 2\nneural_share: 0.25\n")
    config = load_dataset_config(path)
    assert (config.num_realizations, config.neural_fraction) == (2, 0.25)
    path.write_text("num_realisations: 2\nnum_realizations: 2\n")
    with pytest.raises(ConfigError, match="num_realisations: got an unknown key"):
        load_dataset_config(path)
