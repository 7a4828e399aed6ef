"""Files, ``--set`` and flags: their precedence, and the messages for invalid values."""

import json
from pathlib import Path

import pytest

from spinlock.config import VQVAEConfig, config_from_mapping, load_config
from spinlock.errors import ConfigError, printable

NO_SIMILAR_KEY = "there is no similar key; configs/vqvae/default.yaml lists all keys"


@pytest.fixture
def write_file(tmp_path: Path):
    def writer(content: str | bytes, name: str = "run.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return writer


def problems(path: Path, **arguments: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, **arguments)  # type: ignore[arg-type]
    assert str(caught.value).startswith(f"{printable(str(path))}: ")
    assert all("\n" not in problem for problem in caught.value.problems)
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    return caught.value.problems


def test_a_file_sets_its_keys_and_other_keys_keep_their_defaults(write_file):
    assert load_config(write_file("epochs: 3")) == VQVAEConfig(epochs=3)
    assert load_config(str(write_file("{}", "run.json"))) == VQVAEConfig()


@pytest.mark.parametrize("name", ["run.json", "run.yaml", "run.yml", "run", "run.txt"])
def test_json_content_is_read_from_a_file_of_any_name(write_file, name: str):
    assert load_config(write_file('\ufeff{"epochs": 3}', name)).epochs == 3


def test_flags_override_set_and_set_overrides_the_file(write_file):
    path = write_file("epochs: 1\nbatch_size: 1\ntopo_weight: 1")
    config = load_config(path, overrides={"epochs": 3}, set_values=["epochs=2", "batch_size=2"])
    assert (config.epochs, config.batch_size, config.topo_weight) == (3, 2, 1.0)


def test_overrides_apply_if_they_are_zero_or_false_but_not_if_they_are_none(write_file):
    overrides = {"epochs": 0, "use_torch_compile": False, "verbose": None, "learning_rate": None}
    config = load_config(
        write_file("verbose: false"), overrides=overrides, set_values=["topo_weight=0", "use_ema=false"]
    )
    assert config == VQVAEConfig(epochs=0, use_torch_compile=False, verbose=False, topo_weight=0.0, use_ema=False)


@pytest.mark.parametrize(
    ("assignment", "key", "value"),
    [
        ("learning_rate=1e-3", "learning_rate", 1e-3),
        ("compression_ratios=1:2:3", "compression_ratios", "1:2:3"),
        ("compression_ratios=[1, 2, 3]", "compression_ratios", "1:2:3"),
        (" epochs = 7 ", "epochs", 7),
        ("output_dir=runs/a=b", "output_dir", Path("runs/a=b")),
        ("hidden_dim=null", "hidden_dim", None),
        ("hidden_dim=", "hidden_dim", None),
        ("split_by=labels/family", "split_by", "labels/family"),
    ],
)
def test_set_parses_its_value_as_yaml(write_file, assignment: str, key: str, value: object):
    assert getattr(load_config(write_file("hidden_dim: 9"), set_values=[assignment]), key) == value


def test_set_accepts_nested_values_and_the_last_value_applies(write_file):
    assignment = "factors=[{num_codes: 8}, {num_codes: 8, latent_dim: 4}, {_why: auto}]"
    config = load_config(write_file("{}"), set_values=["epochs=1", assignment, "epochs=2"])
    assert config.factors is not None
    assert [level.num_codes for level in config.factors] == [8, 8, None]
    assert config.epochs == 2


def test_comment_keys_are_ignored_in_the_file(write_file):
    path = write_file(json.dumps({"_why": "a", "factors": [{"_": 1}, {}, {}], "$schema": "schema.json"}), "run.json")
    assert load_config(path).factors is not None


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("", "run.yaml", "it is empty"),
        (" \n\n", "run.json", "it is empty"),
        ("# nothing\n", "run.yaml", "it contains only comments"),
        ("- epochs: 3", "run.yaml", "it contains a list"),
        ("[1]", "run.json", "it contains a list"),
        ("epochs", "run.yaml", "it contains a string"),
        ("3", "run.json", "it contains an integer"),
        ('{"epochs": 3', "run.json", "broken JSON in line 1"),
        ("epochs: [", "run.yaml", "broken YAML"),
        ('{"epochs": 3, "epochs": 4}', "run.json", "the key epochs is given twice"),
        ("epochs: 3\nepochs: 4", "run.yaml", "the key epochs is given twice, on lines 1 and 2"),
        ("epochs: 3 # ä".encode("utf-16"), "run.yaml", "it is not UTF-8 text"),
        (b"epochs: 3 # \xe4", "run.yaml", "it is not UTF-8 text (byte 12)"),
        (b"\x89HDF\r\n\x1a\n", "run.h5", "it is not UTF-8 text"),
    ],
)
def test_a_file_that_is_not_a_configuration_is_an_error_of_one_line(
    write_file, content: str | bytes, name: str, message: str
):
    (problem,) = problems(write_file(content, name))
    assert message in problem


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path):
    assert "there is no such file" in problems(tmp_path / "none.yaml")[0]
    assert "it is a directory" in problems(tmp_path)[0]


def test_an_unreadable_file_is_an_error(write_file, monkeypatch: pytest.MonkeyPatch):
    def refuse(self: Path, mode: str) -> bytes:
        raise PermissionError(13, "Permission denied")

    path = write_file("epochs: 3")
    monkeypatch.setattr(Path, "open", refuse)
    assert problems(path) == ["it cannot be read: Permission denied"]


def test_a_path_with_a_null_character_is_an_error():
    assert "it cannot be read" in problems(Path("a\0b"))[0]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('epochs: "5"', 'epochs: got "5" from the file, expected an integer of at least 0 and at most 100000 (epochs)'),
        ("verbose: yes", 'verbose: got "yes" from the file, expected true or false'),
        ("epochs:", "epochs: got null from the file, expected an integer of at least 0 and at most 100000 (epochs)"),
        (
            "validation_fraction: 1",
            "validation_fraction: got 1 from the file, expected a number above 0 and below 1 (fraction of operators)",
        ),
        (
            "hidden_dim: 0",
            "hidden_dim: got 0 from the file, expected an integer of at least 1 and at most 8192 or null (dims)",
        ),
        (
            "learning_rate: .nan",
            "learning_rate: got NaN from the file, expected a finite number above 0 and at most 1",
        ),
        ("device: gpu", 'device: got "gpu" from the file, expected auto, cpu, cuda or cuda:N'),
        ("assignment: both", 'assignment: got "both" from the file, expected one of local, joint'),
        ("input_path: 5", "input_path: got 5 from the file, expected a path"),
        ("epoch: 5", "epoch: got an unknown key from the file, did you mean epochs?"),
        ("Batch-Size: 5", "Batch-Size: got an unknown key from the file, did you mean batch_size?"),
        (
            "zzz: 5",
            f"zzz: got an unknown key from the file, {NO_SIMILAR_KEY}",
        ),
        (
            "3: 5",
            f"3: got an unknown key from the file, {NO_SIMILAR_KEY}",
        ),
        (
            "factors: [{}, {num_codes: 0}, {}]",
            "factors[1].num_codes: got 0 from the file, "
            "expected an integer of at least 1 and at most 10000000 or null (codes)",
        ),
        (
            "factors: [{}, {num_code: 4}, {}]",
            "factors[1].num_code: got an unknown key from the file, did you mean num_codes?",
        ),
        (
            "factors: [{}, 4, {}]",
            "factors[1]: got 4 from the file, expected a mapping with latent_dim, num_codes",
        ),
        (
            "factors: []",
            "factors: got [] from the file, expected three {latent_dim, num_codes}, coarse to fine, "
            "each value a number or null for automatic; or null",
        ),
        (
            "category_factors: {a: [{}, {}]}",
            "category_factors.a: got [{}, {}] from the file, expected a list of 3",
        ),
        (
            "category_factors: {3: [{}, {}, {}]}",
            "category_factors: got the name 3 from the file, expected a string",
        ),
        (
            "num_categories_auto: 60",
            "num_categories_auto = 60 from the file, max_clusters = 50 by default: "
            "num_categories_auto has to be at most max_clusters",
        ),
    ],
)
def test_a_problem_names_key_value_origin_and_expected_value(write_file, content: str, line: str):
    assert problems(write_file(content)) == [line]


def test_long_values_are_shortened_in_messages(write_file):
    (problem,) = problems(write_file(f"epochs: {list(range(1000))}"))
    assert len(problem) < 160


@pytest.mark.parametrize(
    ("key", "flag"),
    [
        ("epochs", "--epochs"),
        ("batch_size", "--batch-size"),
        ("input_path", "--input"),
        ("output_dir", "--output"),
        ("use_torch_compile", "--no-torch-compile"),
    ],
)
def test_a_problem_names_the_flag_as_the_user_types_it(write_file, key: str, flag: str):
    (problem,) = problems(write_file(f"{key}: [2]"), overrides={key: [1]})
    assert problem.startswith(f"{key}: got [1] from {flag}, expected ")


@pytest.mark.parametrize(
    ("assignment", "line"),
    [
        ("epochs", "--set epochs: expected KEY=VALUE, for example epochs=100"),
        ("=3", "--set =3: expected KEY=VALUE, for example epochs=100"),
        ("epoch=3", "epoch: got an unknown key from --set, did you mean epochs?"),
        (
            "_note=3",
            f"_note: got an unknown key from --set, {NO_SIMILAR_KEY}",
        ),
        ("epochs=-3", "epochs: got -3 from --set, expected an integer of at least 0 and at most 100000 (epochs)"),
    ],
)
def test_an_invalid_set_argument_is_an_error(write_file, assignment: str, line: str):
    assert problems(write_file("{}"), set_values=[assignment]) == [line]


def test_a_set_value_that_is_not_yaml_is_an_error(write_file):
    (problem,) = problems(write_file("{}"), set_values=["factors=["])
    assert problem.startswith("factors: got [ from --set, expected a YAML value; broken YAML")


def test_all_problems_are_reported_together_with_their_origins(write_file):
    path = write_file(
        'epoch: 3\nbatch_size: "5"\nmax_clusters: 0\ncategory_assignment: manual\nclip_lower_percentile: 99.95\n'
    )
    reported = problems(
        path,
        overrides={"learning_rate": 0, "device": "tpu"},
        set_values=["nothing", "topo_wait=1", "num_categories_auto=60", "ema_decay=1"],
    )
    starts = [
        "epoch: got an unknown key from the file",
        "topo_wait: got an unknown key from --set",
        'batch_size: got "5" from the file',
        "max_clusters: got 0 from the file",
        "learning_rate: got 0 from --learning-rate",
        "ema_decay: got 1 from --set",
        'device: got "tpu" from --device',
        'category_assignment = "manual" from the file, category_mapping_file = null by default: ',
        'category_assignment = "manual" from the file, num_categories_auto = 60 from --set: ',
        "clip_lower_percentile = 99.95 from the file, clip_upper_percentile = 99.9 by default: ",
        "--set nothing: expected KEY=VALUE",
    ]
    unmatched = [start for start in starts if not any(problem.startswith(start) for problem in reported)]
    assert not unmatched
    # A value that is invalid itself (max_clusters) is not checked for contradictions.
    assert len(reported) == len(starts)


def test_an_override_replaces_an_invalid_value_of_the_file(write_file):
    assert load_config(write_file("epochs: none"), overrides={"epochs": 3}).epochs == 3


def test_config_from_mapping_checks_its_values():
    assert config_from_mapping(VQVAEConfig(epochs=3).model_dump(mode="json"), where="a.pt") == VQVAEConfig(epochs=3)
    with pytest.raises(ConfigError, match=r"^a\.pt: 2 problems\n"):
        config_from_mapping({"epochs": -1, "epoch": 3}, where="a.pt")
