"""Feature tables from files, arrays, tensors and data frames, with their names, labels and limits."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch

from spinlock.errors import DataError
from spinlock.io import feature_table
from spinlock.io.arrays import feature_values
from spinlock.io.feature_table import memory_limit, read_features
from spinlock.io.stored_rows import StoredRows
from tests.tables import write_table

X = np.random.default_rng(0).standard_normal((12, 5)).astype(np.float32)
NAMES = ["a", "b", "c", "d", "e"]


class TestArrays:
    @pytest.mark.parametrize(
        "source",
        [X, X.astype(np.float64), np.asfortranarray(X), X.tolist(), torch.from_numpy(X), pandas.DataFrame(X)],
        ids=["float32", "float64", "column-major", "lists", "tensor", "frame"],
    )
    def test_every_kind_of_array_gives_the_same_table(self, source: Any) -> None:
        table = read_features(source, feature_names=NAMES)
        np.testing.assert_array_equal(table.rows, X)
        assert np.asarray(table.rows).dtype in (np.float32, np.float64)
        assert (table.path, table.family, table.feature_type) == ("<memory>", "sdf", "aggregated")
        assert (table.num_operators, table.rows_per_operator) == (12, 1)
        assert table.names == tuple(NAMES)
        assert table.sha256 == read_features(X).sha256

    def test_names_are_numbered_or_come_from_the_data_frame(self) -> None:
        assert read_features(X).names == tuple(f"feature_{j}" for j in range(5))
        assert read_features(pandas.DataFrame(X, columns=NAMES)).names == tuple(NAMES)

    @pytest.mark.parametrize("names", [NAMES[:4], ["a"] * 5])
    def test_names_of_wrong_number_or_repeated_names_are_refused(self, names: list[str]) -> None:
        with pytest.raises(DataError, match="distinct feature names for 5 columns; expected one for each column"):
            read_features(X, feature_names=names)

    def test_a_3d_array_has_several_rows_of_each_operator(self) -> None:
        table = read_features(X.reshape(4, 3, 5))
        assert table.feature_type == "per_trajectory"
        assert (table.num_operators, table.rows_per_operator) == (4, 3)
        np.testing.assert_array_equal(table.rows, X)
        assert read_features(X.reshape(4, 3, 5), feature_type="per_timestep").feature_type == "per_timestep"

    @pytest.mark.parametrize(
        ("source", "feature_type"), [(X, "per_trajectory"), (X.reshape(4, 3, 5), "aggregated")], ids=["2-D", "3-D"]
    )
    def test_a_feature_type_of_other_dimensions_is_refused(self, source: Any, feature_type: str) -> None:
        with pytest.raises(DataError, match=rf"have {source.ndim} dimensions and feature_type is {feature_type}"):
            read_features(source, feature_type=feature_type)

    @pytest.mark.parametrize(
        ("source", "words"),
        [(X[0], "1 dimensions"), (X.astype(complex), "complex numbers"), ([["x"] * 5], "text")],
        ids=["1-D", "complex", "text"],
    )
    def test_a_source_that_is_not_a_table_of_real_numbers_is_refused(self, source: Any, words: str) -> None:
        with pytest.raises(DataError, match=words):
            read_features(source)

    def test_values_beyond_float32_become_infinite_and_missing_cells_become_nan(self) -> None:
        values, names = feature_values(pandas.DataFrame({"a": [1e300, None], "b": [1.0, 2.0]}).convert_dtypes())
        np.testing.assert_array_equal(values, np.array([[np.inf, 1], [np.nan, 2]], dtype=np.float32))
        assert names == ["a", "b"]

    def test_half_precision_becomes_float32(self) -> None:
        short = torch.from_numpy(X).bfloat16()
        np.testing.assert_array_equal(read_features(short).rows, short.float().numpy())


class TestLabels:
    def test_labels_of_an_array_are_available_as_groups(self) -> None:
        labels = np.arange(12) % 3
        table = read_features(X, labels={"family": labels.tolist()})
        for name in ("family", "labels/family"):
            np.testing.assert_array_equal(table.groups(name), labels)

    @pytest.mark.parametrize("labels", [[0] * 11, np.zeros((12, 2))], ids=["too few", "2-D"])
    def test_labels_of_wrong_shape_are_refused(self, labels: Any) -> None:
        with pytest.raises(DataError, match=r"label 'family' has shape .*; expected \[12\], one value for each"):
            read_features(X, labels={"family": labels})

    def test_labels_of_a_3d_array_belong_to_operators(self) -> None:
        table = read_features(X.reshape(4, 3, 5), labels={"family": list("aabb")})
        assert table.groups("family").tolist() == list("aabb")

    def test_a_missing_label_is_an_error_that_names_the_existing_labels(self) -> None:
        table = read_features(X, labels={"family": [0] * 12})
        with pytest.raises(DataError, match="the table has no label 'nothing'; expected one of its labels: family"):
            table.groups("labels/nothing")

    def test_labels_of_a_file_are_available_by_name(self, tmp_path: Path) -> None:
        labels = [f"family {i % 3}" for i in range(12)]
        path = write_table(tmp_path / "table.h5", X, NAMES, labels={"family": labels, "number": np.arange(12)})
        table = read_features(path)
        assert sorted(table.labels) == ["family", "number"]
        assert len(table.labels) == 2
        np.testing.assert_array_equal(table.labels["number"], np.arange(12))
        np.testing.assert_array_equal(table.groups("labels/family"), np.arange(12) % 3)
        with pytest.raises(KeyError):
            table.labels["nothing"]
        with pytest.raises(DataError, match="nothing"):
            table.groups("nothing")


class TestFiles:
    @pytest.mark.parametrize("feature_type", [None, "aggregated"])
    def test_a_file_gives_the_same_table_as_its_array(self, tmp_path: Path, feature_type: str | None) -> None:
        path = write_table(tmp_path / "table.h5", X, NAMES)
        table = read_features(str(path), feature_type=feature_type)
        np.testing.assert_array_equal(table.rows, X)
        assert (table.path, table.names) == (str(path), tuple(NAMES))
        assert table.sha256 == read_features(X).sha256

    def test_another_family_and_feature_type_can_be_read(self, tmp_path: Path) -> None:
        path = write_table(tmp_path / "table.h5", X.reshape(4, 3, 5), family="second", feature_type="per_trajectory")
        table = read_features(path, family="second", feature_type="per_trajectory")
        assert (table.num_operators, table.rows_per_operator) == (4, 3)
        np.testing.assert_array_equal(table.rows, X)

    @pytest.mark.parametrize(("limit", "held"), [(239, False), (240, True), (None, True)])
    def test_rows_above_the_limit_stay_in_their_file(self, tmp_path: Path, limit: int | None, held: bool) -> None:
        path = write_table(tmp_path / "table.h5", X, NAMES)
        table = read_features(path, max_bytes=limit)
        assert isinstance(table.rows, np.ndarray if held else StoredRows)
        np.testing.assert_array_equal(table.rows[np.array([3, 7])], X[[3, 7]])
        assert table.sha256 == read_features(X).sha256

    def test_the_default_limit_is_a_fraction_of_the_memory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_table(tmp_path / "table.h5", X, NAMES)
        monkeypatch.setattr(feature_table, "MEMORY_FRACTION", 1e-12)
        assert isinstance(read_features(path).rows, StoredRows)


def test_processes_of_one_machine_divide_its_memory() -> None:
    assert memory_limit(4) == pytest.approx(memory_limit() / 4, rel=1e-6)
    assert memory_limit() > 2**20
