"""Datasets of predicted operators: true predictions give the original dataset, and files that do not fit are named."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.errors import DataError, OutputError
from spinlock.generation.generate import generate
from spinlock.generation.plan import plan_generation
from spinlock.io.predictions.writing import PredictionColumns, PredictionWriter
from spinlock.operators.sampling import NEURAL
from tests.generation.settings import small_config


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original") / "d.h5"
    generate(small_config(), path)
    return path


def write_predictions(path: Path, dataset: Path, *, annotations: bool = True) -> Path:
    """Write a file of predictions whose first candidates are the true operators, and whose second ones are not."""
    with h5py.File(dataset) as file:
        family = file["labels/family"].asstr()[()]
        names = [name for name in file["parameters/names"].asstr()[()] if not name.startswith("initial.")]
        values = file["parameters/physical"][:, : len(file["parameters/names"])]
        values = values[:, [list(file["parameters/names"].asstr()[()]).index(name) for name in names]]
        values = np.where(np.isnan(values), np.nanmedian(values, axis=0), values)
        families = tuple(np.unique(family).tolist())
        index = np.searchsorted(families, family)
        columns = PredictionColumns(families, tuple(names), (0.5,), candidates=2, samples=0)
        with PredictionWriter(path, columns, len(family), attributes={}) as writer:
            writer.write(
                family.tolist(),
                {
                    "predictions/family_probability": np.eye(len(families))[index],
                    "predictions/median": values,
                    "predictions/interval": np.repeat(values[:, :, None, None], 2, axis=3),
                    "candidates/family": np.stack([index, (index + 1) % len(families)], axis=1),
                    "candidates/probability": np.tile([0.9, 0.1], (len(family), 1)),
                    "candidates/parameters": np.stack([values, values], axis=1),
                },
            )
        if annotations:
            with h5py.File(path, "r+") as output:
                for group in ("labels", "parameters"):
                    file.copy(group, output)
    return path


def features_of(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        values: np.ndarray = file["features/sdf/aggregated/features"][()]
        return values


def test_true_predictions_give_the_original_dataset(dataset: Path, tmp_path: Path) -> None:
    predictions = write_predictions(tmp_path / "p.h5", dataset)
    generate(small_config(), tmp_path / "again.h5", from_predictions=predictions)
    with h5py.File(dataset) as file, h5py.File(tmp_path / "again.h5") as again:
        family = file["labels/family"].asstr()[()]
        np.testing.assert_array_equal(again["labels/family"].asstr()[()], family)
        conditions = (each["labels/initial_condition"].asstr()[()] for each in (again, file))
        np.testing.assert_array_equal(*conditions)
        pde = family != NEURAL
    np.testing.assert_allclose(features_of(tmp_path / "again.h5")[pde], features_of(dataset)[pde], rtol=1e-3, atol=1e-4)


def test_without_annotations_the_initial_conditions_are_sampled(dataset: Path, tmp_path: Path) -> None:
    predictions = write_predictions(tmp_path / "p.h5", dataset, annotations=False)
    config = small_config(num_samples=8, from_predictions=str(predictions))
    generate(config, tmp_path / "again.h5")
    features = features_of(tmp_path / "again.h5")
    assert features.shape[0] == 8
    assert not np.allclose(features, features_of(dataset)[:8], rtol=0.01)
    generate(config, tmp_path / "twice.h5")
    np.testing.assert_array_equal(features, features_of(tmp_path / "twice.h5"))


def test_the_number_of_operators_is_at_most_that_of_the_predictions(dataset: Path, tmp_path: Path) -> None:
    predictions = write_predictions(tmp_path / "p.h5", dataset)
    plan = plan_generation(small_config(num_samples=100), tmp_path / "x.h5", from_predictions=predictions)
    assert plan.design.operators.count == 24


def test_other_predictions_do_not_continue_a_run(dataset: Path, tmp_path: Path) -> None:
    first = write_predictions(tmp_path / "p.h5", dataset)
    plan = plan_generation(small_config(), tmp_path / "x.h5", from_predictions=first)
    second = write_predictions(tmp_path / "q.h5", dataset, annotations=False)
    second.replace(first)
    other = plan_generation(small_config(), tmp_path / "x.h5", from_predictions=first)
    assert plan.identity["predictions_sha256"] != other.identity["predictions_sha256"]


def test_a_dataset_of_other_predictions_is_not_complete(dataset: Path, tmp_path: Path) -> None:
    predictions = write_predictions(tmp_path / "p.h5", dataset)
    config = small_config(num_samples=4, from_predictions=str(predictions))
    generate(config, tmp_path / "x.h5")
    assert plan_generation(config, tmp_path / "x.h5", resume=True).is_complete
    write_predictions(tmp_path / "q.h5", dataset, annotations=False).replace(predictions)
    with pytest.raises(OutputError, match="was generated from other predictions"):
        plan_generation(config, tmp_path / "x.h5", resume=True)


def test_a_file_that_does_not_fit_is_named(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a file of predictions"):
        plan_generation(small_config(), tmp_path / "x.h5", from_predictions=dataset)
    predictions = write_predictions(tmp_path / "p.h5", dataset)
    narrow = small_config(gray_scott_feed=[0.0, 0.001])
    with pytest.raises(DataError, match="the range in the configuration"):
        plan_generation(narrow, tmp_path / "x.h5", from_predictions=predictions)
    with pytest.raises(DataError, match="the initial condition"):
        plan_generation(small_config(initial_conditions=["spots"]), tmp_path / "x.h5", from_predictions=predictions)
    with pytest.raises(OutputError):
        plan_generation(small_config(), predictions, from_predictions=predictions, overwrite=True)
