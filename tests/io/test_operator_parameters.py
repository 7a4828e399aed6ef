"""Parameters and realizations of the operators of a file."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.io.operator_parameters import read_parameters, read_realizations
from tests.tables import write_table

VALUES = np.arange(12, dtype=np.float64).reshape(6, 2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_table(tmp_path / "table.h5", np.zeros((6, 3)), ["a", "b", "c"])


def test_physical_values_have_the_names_of_the_file(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["parameters/physical"] = VALUES
        file["parameters/params"] = VALUES / 100
        file["parameters/names"] = ["viscosity", "drag"]
    parameters = read_parameters(path, 6)
    assert list(parameters) == ["viscosity", "drag"]
    np.testing.assert_array_equal(parameters["drag"], VALUES[:, 1])


def test_parameters_without_names_are_numbered(path: Path) -> None:
    with h5py.File(path, "a") as file:
        file["parameters/params"] = VALUES
    assert list(read_parameters(path, 6)) == ["parameter_0", "parameter_1"]


def test_a_file_without_parameters_of_these_operators_has_none(path: Path) -> None:
    assert read_parameters(path, 6) == {}
    with h5py.File(path, "a") as file:
        file["parameters/params"] = VALUES[:5]
    assert read_parameters(path, 6) == {}


def test_realizations_need_two_of_each_operator(path: Path) -> None:
    assert read_realizations(path, "sdf", 6) is None
    with h5py.File(path, "a") as file:
        file["features/sdf/per_trajectory/features"] = np.ones((6, 2, 1), dtype=np.float32)
        file["features/sdf/per_trajectory/feature_names"] = ["a"]
    found = read_realizations(path, "sdf", 6)
    assert found is not None
    assert (found[0], found[1].shape) == (("a",), (6, 2, 1))
    assert read_realizations(path, "sdf", 7) is None
