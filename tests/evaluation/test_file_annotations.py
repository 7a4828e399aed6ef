"""Labels, parameters and realizations of a file in an evaluation."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import spinlock as sl
from spinlock.errors import DataError
from spinlock.scoring.attributes import _group_and_name
from tests.cli.workspace import NAMES, small_table
from tests.evaluation.conftest import SETTINGS
from tests.tables import write_table

ROWS = 240


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table whose first eight columns are the means of three realizations."""
    random = np.random.default_rng(0)
    x = small_table(ROWS)
    realizations = x[:, None, :8] + 0.2 * random.standard_normal((ROWS, 3, 8)).astype(np.float32)
    x[:, :8] = realizations.mean(1)
    families = np.where(x[:, 0] > 0, "heat", "wave").tolist()
    path = write_table(tmp_path_factory.mktemp("annotated") / "table.h5", x, NAMES, labels={"family": families})
    with h5py.File(path, "a") as file:
        file["features/sdf/per_trajectory/features"] = realizations
        file["features/sdf/per_trajectory/feature_names"] = NAMES[:8]
        file["parameters/physical"] = np.column_stack([x[:, 4] * 3 + 1, np.full(ROWS, np.nan)])
        file["parameters/names"] = ["viscosity", "drag"]
    return path


@pytest.fixture(scope="module")
def tokenizer(path: Path) -> sl.Tokenizer:
    return sl.Tokenizer.fit(str(path), SETTINGS, validation_fraction=0.3)


def test_labels_and_parameters_of_the_file_are_measured(tokenizer: sl.Tokenizer, path: Path) -> None:
    result = sl.evaluate(tokenizer, path, sections=["discriminability"]).discriminability
    assert result is not None
    family, viscosity = result.attributes
    assert (family.name, family.is_parameter, family.num_classes) == ("family", False, 2)
    assert (viscosity.name, viscosity.is_parameter, viscosity.is_numeric) == ("viscosity", True, True)
    assert family.determined_by == (NAMES[0],)
    assert viscosity.determined_by == (NAMES[4],)
    assert viscosity.score("features", "linear") > 0.95
    assert result.skipped == {"drag": "no row has a value"}
    assert result.num_known_rows == ROWS


def test_named_attributes_are_the_only_ones(tokenizer: sl.Tokenizer, path: Path) -> None:
    names = ["parameters/viscosity", "labels/family"]
    result = sl.evaluate(tokenizer, path, labels=names, sections=["discriminability"]).discriminability
    assert result is not None
    assert [each.name for each in result.attributes] == ["family", "viscosity"]
    with pytest.raises(DataError, match=r"no label or parameter 'color'; expected one of family, viscosity, drag"):
        sl.evaluate(tokenizer, path, labels=["color"])


def test_a_prefix_selects_a_parameter_with_the_name_of_a_label() -> None:
    labels, parameters = {"size", "family"}, {"size", "drag"}
    found = {name: _group_and_name(name, labels, parameters) for name in ("size", "labels/size", "parameters/size")}
    assert found == {
        "size": ("labels", "size"),
        "labels/size": ("labels", "size"),
        "parameters/size": ("parameters", "size"),
    }
    assert _group_and_name("drag", labels, parameters) == ("parameters", "drag")
    assert _group_and_name("labels/drag", labels, parameters) is None
    assert _group_and_name("parameters/family", labels, parameters) is None


def test_halves_of_the_realizations_are_encoded(tokenizer: sl.Tokenizer, path: Path) -> None:
    result = sl.evaluate(tokenizer, path, sections=["stability"]).stability
    assert result is not None
    halves = result.realizations
    assert halves is not None
    assert (halves.num_operators, halves.num_realizations, halves.num_columns) == (72, 3, 8)
    categories = halves.survival.by_category
    untouched = [name for name, columns in tokenizer.categories.items() if not set(columns) & set(NAMES[:8])]
    assert all(categories[name] == 1 for name in untouched)
    assert halves.survival.all < 1


def test_rows_of_realizations_are_halved_by_operator() -> None:
    table = small_table(240).reshape(80, 3, 12)
    tokenizer = sl.Tokenizer.fit(
        table, SETTINGS, feature_names=NAMES, feature_type="per_trajectory", validation_fraction=0.3
    )
    result = sl.evaluate(tokenizer, table, sections=["stability"]).stability
    assert result is not None
    assert result.realizations is not None
    assert (result.realizations.num_operators, result.realizations.num_columns) == (24, 12)
