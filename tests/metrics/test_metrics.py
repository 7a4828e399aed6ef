"""The public functions of ``spinlock.metrics`` are listed, documented, and imported when they are used."""

import inspect
import subprocess
import sys

import pytest

from spinlock import metrics


@pytest.mark.parametrize("name", metrics.__all__)
def test_every_public_name_is_available_and_documented(name: str) -> None:
    value = getattr(metrics, name)
    assert value.__module__.startswith("spinlock.metrics.")
    doc = inspect.getdoc(value) or ""
    assert len(doc.splitlines()[0]) <= 120
    if inspect.isfunction(value):
        assert "Parameters\n----------" in doc
        assert "Returns\n-------" in doc


def test_all_lists_the_names_of_the_modules() -> None:
    assert sorted(name for names in metrics._MODULES.values() for name in names) == sorted(metrics.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'no_such_metric'"):
        metrics.no_such_metric  # noqa: B018


def test_the_import_loads_neither_torch_nor_scipy() -> None:
    code = "import sys, spinlock.metrics; print({'torch', 'scipy', 'numpy'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
