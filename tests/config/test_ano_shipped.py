"""The files in configs/ano are valid and equal the defaults."""

import json
from pathlib import Path

import yaml

from spinlock.config import ANOConfig, load_ano_config
from spinlock.config.ano import ano_schema

FOLDER = Path(__file__).parents[2] / "configs" / "ano"


def test_the_shipped_values_are_the_defaults() -> None:
    assert load_ano_config(FOLDER / "default.yaml") == ANOConfig()
    assert list(yaml.safe_load((FOLDER / "default.yaml").read_text())) == list(ANOConfig.model_fields)


def test_the_schema_is_up_to_date() -> None:
    assert json.loads((FOLDER / "schema.json").read_text()) == ano_schema(), "run scripts/write-derived"
