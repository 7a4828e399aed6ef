"""The keyword arguments of ``Tokenizer.fit`` and ``generate`` are the keys of their configurations."""

from pathlib import Path
from typing import Any

import pytest

from spinlock.config import DatasetConfig, VQVAEConfig, dataset_keywords, keywords
from spinlock.config.keyword_listing import list_keywords

CASES = [
    (VQVAEConfig, keywords, "ConfigKeywords", "training"),
    (DatasetConfig, dataset_keywords, "DatasetKeywords", "dataset"),
]


@pytest.mark.parametrize(("model", "module", "name", "subject"), CASES)
def test_the_module_is_up_to_date(model: Any, module: Any, name: str, subject: str) -> None:
    text = Path(module.__file__).read_text(encoding="utf-8")
    assert text == list_keywords(model, name, subject), "run scripts/write-derived"


@pytest.mark.parametrize(("model", "module", "name", "subject"), CASES)
def test_the_class_declares_every_key(model: Any, module: Any, name: str, subject: str) -> None:
    declared = getattr(module, name)
    assert list(declared.__annotations__) == list(model.model_fields)
    assert not declared.__required_keys__
