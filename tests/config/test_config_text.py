"""JSON and YAML text: scalars as in YAML 1.2, comments, duplicate keys, and invalid text."""

import math
import sys
import time

import pytest
import yaml

from spinlock.config import VQVAEConfig, dump_config
from spinlock.config.text import ConfigTextError, parse_text, parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-5", -5),
        ("010", 10),
        ("0o10", 8),
        ("0x10", 16),
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("+2.5e+1", 25.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("no", "no"),
        ("on", "on"),
        ("1:2:3", "1:2:3"),
        ("0.5:1:1.5", "0.5:1:1.5"),
        ("1_000", "1_000"),
        ("2024-01-31", "2024-01-31"),
        ("'5'", "5"),
        ("runs/a#1", "runs/a#1"),
        ("[1, {a: 2}]", [1, {"a": 2}]),
    ],
)
def test_yaml_scalars_are_parsed_as_in_yaml_1_2(text: str, value: object):
    parsed = parse_value(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_nan_is_parsed():
    assert math.isnan(parse_value(".nan"))  # type: ignore[arg-type]


def test_comment_keys_are_ignored_at_every_depth():
    text = '{"_note": 1, "$schema": "s", "a": [{"_x": 2, "b": 3}], "_note": 4}'
    for suffix in (".json", ".yaml"):
        assert parse_text(text, suffix=suffix) == {"a": [{"b": 3}]}


@pytest.mark.parametrize("suffix", ["", ".yaml", ".yml", ".conf", ".YAML"])
def test_json_is_read_with_any_suffix(suffix: str):
    assert parse_text('{\n\t"a": 1e2\n}', suffix=suffix) == {"a": 100.0}


def test_yaml_flow_syntax_is_read_as_yaml():
    assert parse_text("{a: 1}", suffix=".yaml") == {"a": 1}


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_hundred_lists_within_each_other_are_read(suffix: str):
    value = parse_text("[" * 100 + "5" + "]" * 100, suffix=suffix)
    for _ in range(100):
        (value,) = value  # type: ignore[misc]
    assert value == 5


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_the_maximum_depth_does_not_depend_on_the_limit_of_recursion(suffix: str):
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        with pytest.raises(ConfigTextError, match="nested too deeply; expected at most 100 nested lists"):
            parse_text("[" * 1_500 + "]" * 1_500, suffix=suffix)
    finally:
        sys.setrecursionlimit(limit)


def test_yaml_anchors_and_merges_work():
    assert parse_text("a: &x {b: 1}\nc:\n  <<: *x\n  d: 2", suffix=".yaml") == {
        "a": {"b": 1},
        "c": {"b": 1, "d": 2},
    }


@pytest.mark.parametrize(
    ("text", "suffix", "message"),
    [
        ('{"a": 1, "a": 2}', ".json", "the key a is given twice"),
        ('{"b": {"a": 1, "a": 1}}', ".json", "the key a is given twice"),
        ("a: 1\nb: 2\na: 3\n", ".yaml", "the key a is given twice, on lines 1 and 3"),
        ("b: {a: 1, a: 1}", ".yaml", "the key a is given twice, on lines 1 and 1"),
        ('{"a": 1,}', ".json", "broken JSON in line 1, column 9"),
        ("a: 1", ".json", "broken JSON in line 1, column 1"),
        ("a: [1\nb: 2", ".yaml", "broken YAML in line 2"),
        ("a: 1\n b: 2", ".yaml", "broken YAML in line 2"),
        ("a: 1\n---\nb: 2", ".yaml", "broken YAML"),
        ("a: !!python/object:os.system {}", ".yaml", "broken YAML in line 1"),
        ("a: !!float abc", ".yaml", "broken YAML"),
        ("a: \x01", ".yaml", "broken YAML"),
        ("a: &x [*x]", ".yaml", "it has more than 100,000 values"),
        ("a: &x {b: *x}", ".yaml", "it has more than 100,000 values"),
        ("a: !!bool maybe", ".yaml", "broken YAML in line 1: 'maybe' is not of the type !!bool"),
        ("a: 1\nb: !!int 1.5", ".yaml", "broken YAML in line 2: '1.5' is not of the type !!int"),
        ("a: !!null 5", ".yaml", "broken YAML in line 1: '5' is not of the type !!null"),
        ("a: !!int ''", ".yaml", "is not of the type !!int"),
        ("a: !!bool [1]", ".yaml", "broken YAML in line 1"),
        ("a: !!timestamp now", ".yaml", "broken YAML in line 1"),
        ("a: !!binary x", ".yaml", "broken YAML in line 1"),
        ("a: !!set {b, c}", ".yaml", "broken YAML in line 1"),
        ("a: !" + "x" * 9000 + " 1", ".yaml", "broken YAML in line 1"),
        ('{"' + "x" * 9000 + '": 1, "' + "x" * 9000 + '": 1}', ".json", "xxx ... is given twice"),
        ("{" + "x" * 900 + ": 1, " + "x" * 900 + ": 1}", ".yaml", "xxx ... is given twice"),
        ("a: !!bool " + "x" * 900, ".yaml", "xxx ...' is not of the type !!bool"),
        ("[" * 5_000 + "]" * 5_000, ".json", "nested too deeply"),
        ("[" * 5_000, ".yaml", "nested too deeply"),
        ("[" * 101 + "]" * 101, ".json", "nested too deeply"),
        ("[" * 101 + "]" * 101, ".yaml", "nested too deeply"),
        ("{a: " * 101 + "1" + "}" * 101, ".yaml", "nested too deeply"),
        ("1" * 5_000, ".json", "broken JSON"),
        ("1" * 5_000, ".yaml", "broken YAML"),
        ("{[1]: 2}", ".yaml", "broken YAML"),
    ],
)
def test_invalid_text_is_an_error_of_one_line(text: str, suffix: str, message: str):
    with pytest.raises(ConfigTextError) as caught:
        parse_text(text, suffix=suffix)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def bomb(levels: int, link: str) -> str:
    """YAML in which each line contains the line before it nine times."""
    return "a0: &a0 {x: 1}\n" + "".join(
        f"a{i}: &a{i} " + link.replace("*", ", ".join([f"*a{i - 1}"] * 9)) + "\n" for i in range(1, levels)
    )


@pytest.mark.parametrize("link", ["[*]", "{y: [*]}", "{<<: [*]}"], ids=["lists", "mappings", "merges"])
def test_aliases_that_expand_exponentially_are_refused_at_once(link: str):
    start = time.perf_counter()
    with pytest.raises(ConfigTextError, match=r"it has more than 100,000 values, with its aliases"):
        parse_text(bomb(12, link), suffix=".yaml")
    assert time.perf_counter() - start < 1
    assert isinstance(parse_text(bomb(3, link), suffix=".yaml"), dict)


AWKWARD = VQVAEConfig.model_validate(
    {
        "input_path": "no",
        "output_dir": "1e-3",
        "feature_family": "2024-01-31",
        "split_by": "labels/ä: #1 'x' " + "long " * 40,
        "resume_from": "0x10",
        "checkpoint_dir": "1:30:00",
        "compression_ratios": [1, 2, 3],
        "learning_rate": 1e-7,
        "topo_weight": 3,
        "epochs": 0,
        "use_ema": False,
        "category_factors": {"true": [{"num_codes": 4}, {}, {}], "1": [{}, {"latent_dim": 4}, {}]},
        "factors": [{}, {}, {"latent_dim": 12, "num_codes": 9}],
    }
)


@pytest.mark.parametrize("config", [VQVAEConfig(), AWKWARD], ids=["default", "awkward"])
def test_dump_and_parse_are_a_round_trip_that_keeps_the_order(config: VQVAEConfig):
    text = dump_config(config)
    values = parse_text(text, suffix=".yaml")
    assert isinstance(values, dict)
    assert list(values) == list(VQVAEConfig.model_fields)
    assert VQVAEConfig.model_validate(values) == config


def test_a_dump_has_the_same_values_for_a_yaml_1_1_reader():
    assert VQVAEConfig.model_validate(yaml.safe_load(dump_config(AWKWARD))) == AWKWARD
