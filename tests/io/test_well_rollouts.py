"""Rollouts in the layout of The Well, read as [M, T, C, H, W], and invalid files."""

import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.errors import DataError
from spinlock.io.rollouts import open_rollouts
from tests.io.rollout_files import write_well


def test_fields_of_the_well_become_channels(tmp_path: Path) -> None:
    write_well(tmp_path / "w.h5")
    with open_rollouts(tmp_path / "w.h5") as source, h5py.File(tmp_path / "w.h5") as file:
        assert (source.num_operators, source.realizations, source.frames, source.grid) == (3, 1, 6, (24, 20))
        assert (
            source.channels(0) == 1 + 2 + 3
        )  # constant mask excluded; equal components of the symmetric tensor count once
        runs = source.read_operator(1)
        np.testing.assert_array_equal(runs[0, :, 0], file["t0_fields/density"][1])
        np.testing.assert_array_equal(runs[0, :, 1], file["t1_fields/velocity"][1, ..., 0])
        np.testing.assert_array_equal(runs[0, :, 2], file["t1_fields/velocity"][1, ..., 1])
        np.testing.assert_array_equal(runs[0, :, 4], file["t2_fields/stress"][1, ..., 0, 1])


def test_one_dimensional_fields_of_the_well_get_a_height_of_one(tmp_path: Path) -> None:
    write_well(tmp_path / "w.h5", grid=(32,))
    with open_rollouts(tmp_path / "w.h5") as source:
        assert source.grid == (1, 32)
        assert source.read_operator(0).shape == (1, 6, 2, 1, 32)


def test_an_axis_that_is_stored_once_is_repeated(tmp_path: Path) -> None:
    write_well(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        thin = np.arange(3 * 6 * 24, dtype=np.float32).reshape(3, 6, 24)
        file["t0_fields"].attrs["field_names"] = ["density", "thin"]
        file["t0_fields/thin"] = thin
        file["t0_fields/thin"].attrs.update(dim_varying=[True, False], sample_varying=True, time_varying=True)
    with open_rollouts(tmp_path / "w.h5") as source:
        np.testing.assert_array_equal(source.read_operator(2)[0, :, 1], np.repeat(thin[2, :, :, None], 20, 2))


def test_the_well_package_reads_the_same_values(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        datasets = pytest.importorskip("the_well.data.datasets")
    write_well(tmp_path / "w.hdf5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        well = datasets.WellDataset(path=str(tmp_path), n_steps_input=1, n_steps_output=5)
        item = well[0]
    frames = np.concatenate([item["input_fields"], item["output_fields"]])  # [T, x, y, channels]
    with open_rollouts(tmp_path / "w.hdf5") as source:
        ours = np.moveaxis(source.read_operator(0)[0], 1, -1)
    np.testing.assert_allclose(frames[..., :3], ours[..., :3], rtol=1e-6)


def test_attributes_can_be_bytes_and_arrays(tmp_path: Path) -> None:
    write_well(tmp_path / "w.h5")
    with open_rollouts(tmp_path / "w.h5") as source:
        expected = source.read_operator(1)
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        file.attrs["n_trajectories"] = np.array([3])
        for group in ("t0_fields", "t1_fields", "t2_fields"):
            names = np.atleast_1d(file[group].attrs["field_names"]).tolist()
            file[group].attrs["field_names"] = np.array(names, dtype="S20")
    with open_rollouts(tmp_path / "w.h5") as source:
        np.testing.assert_array_equal(source.read_operator(1), expected)


def _damage(path: Path, change: str) -> None:
    with h5py.File(path, "r+") as file:
        if change == "no trajectories":
            del file.attrs["n_trajectories"]
        elif change == "no dimensions":
            del file["dimensions"]
        elif change == "three dimensions":
            file["dimensions"].attrs["spatial_dims"] = ["x", "y", "z"]
        elif change == "missing field":
            del file["t1_fields/velocity"]
        elif change == "frozen":
            for name in ("t0_fields/density", "t1_fields/velocity", "t2_fields/stress"):
                file[name].attrs["time_varying"] = False
        elif change == "axes":
            del file["t0_fields/density"]
            file["t0_fields/density"] = np.zeros((3, 6, 24), "f4")
        elif change == "count":
            file.attrs["n_trajectories"] = 7
        elif change == "text count":
            file.attrs["n_trajectories"] = "three"
        elif change == "complex":
            del file["t0_fields/density"]
            file["t0_fields/density"] = np.zeros((3, 6, 24, 20), "c8")
        elif change == "repeated field":
            file["t0_fields"].attrs["field_names"] = ["density", "density"]
        elif change == "another number of axes":
            file.attrs["n_spatial_dims"] = 3
        elif change == "axes in text":
            file.attrs["n_spatial_dims"] = "two"
        elif change == "group":
            del file["t0_fields/density"]
            file.create_group("t0_fields/density")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("no trajectories", "no attribute n_trajectories"),
        ("no dimensions", "no group dimensions"),
        ("three dimensions", "has 3 spatial dimensions; expected 1 or 2"),
        ("missing field", "/t1_fields names a field 'velocity' that does not exist"),
        ("frozen", "has no time-dependent field"),
        ("axes", "expected 4 axes, as its attributes state"),
        ("count", "3 trajectories; expected 7"),
        ("text count", "attribute n_trajectories is 'three'; expected an integer of at least 1"),
        ("complex", "t0_fields/density: contains no real numbers"),
        ("group", "t0_fields/density: contains no real numbers"),
        ("repeated field", "field_names of /t0_fields contains a name twice"),
        ("another number of axes", "attribute n_spatial_dims is 3; expected 2"),
        ("axes in text", "attribute n_spatial_dims is two; expected 2"),
    ],
)
def test_invalid_files_of_the_well_are_an_error_that_names_the_fault(change: str, words: str, tmp_path: Path) -> None:
    write_well(tmp_path / "w.h5")
    _damage(tmp_path / "w.h5", change)
    with pytest.raises(DataError) as caught:
        open_rollouts(tmp_path / "w.h5")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("thin_axis", [0, 1])
def test_coordinates_that_differ_between_trajectories_give_the_size_of_their_axis(
    tmp_path: Path, thin_axis: int
) -> None:
    write_well(tmp_path / "w.h5")
    thin = np.arange(3 * 6 * 24, dtype=np.float32).reshape(3, 6, 24)[..., : (20, 24)[thin_axis]]
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        for name, size in (("x", 24), ("y", 20)):
            del file["dimensions"][name]
            file["dimensions"][name] = np.linspace(0, 1, size) * np.arange(1, 4)[:, None]
            file["dimensions"][name].attrs["sample_varying"] = True
        file["t0_fields"].attrs["field_names"] = ["density", "thin"]
        file["t0_fields/thin"] = thin
        varying = [axis != thin_axis for axis in range(2)]
        file["t0_fields/thin"].attrs.update(dim_varying=varying, sample_varying=True, time_varying=True)
    with open_rollouts(tmp_path / "w.h5") as source:
        expected = np.broadcast_to(np.expand_dims(thin[2], 1 + thin_axis), (6, 24, 20))
        np.testing.assert_array_equal(source.read_operator(2)[0, :, 1], expected)


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("dimensions", "spatial_dims", 3),
        ("t0_fields", "field_names", [1, 2]),
        ("t0_fields", "field_names", [b"\xff"]),
        ("t0_fields/density", "time_varying", "yes"),
        ("t0_fields/density", "sample_varying", [True, False]),
        ("t0_fields/density", "dim_varying", [True]),
        ("t2_fields/stress", "symmetric", [1.5]),
    ],
)
def test_attributes_of_a_wrong_type_are_named(tmp_path: Path, place: str, name: str, value: object) -> None:
    write_well(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        file[place].attrs[name] = value
    with pytest.raises(DataError, match=rf"w\.h5:/{place}: attribute {name} is .*; expected"):
        open_rollouts(tmp_path / "w.h5")


COORDINATES = {
    "fewer times": ("time", np.arange(3.0), "dimensions/time has the shape (3,), but the fields have 6 points"),
    "fewer points": ("x", np.arange(4.0), "dimensions/x has the shape (4,), but the fields have 24 points along x"),
    "no points": ("y", np.float64(1), "dimensions/y has the shape (), but the fields have 20 points along y"),
    "points of each trajectory": ("y", np.ones((3, 19)), "dimensions/y has the shape (3, 19), but the fields have 20"),
    "a missing point": ("x", np.where(np.arange(24) == 7, np.nan, 1), "dimensions/x contains missing or infinite val"),
    "text": ("x", ["a"] * 24, "dimensions/x contains no real numbers"),
    "a broken link": ("x", h5py.SoftLink("/nowhere"), "coordinates are not used: "),
}


@pytest.mark.parametrize("change", COORDINATES)
def test_coordinates_that_do_not_fit_the_fields_are_noted(tmp_path: Path, change: str) -> None:
    name, values, words = COORDINATES[change]
    write_well(tmp_path / "w.h5")
    with open_rollouts(tmp_path / "w.h5") as source:
        assert source.notes == ()
        expected = source.read_operator(1)
    with h5py.File(tmp_path / "w.h5", "r+") as file:
        del file["dimensions"][name]
        file["dimensions"][name] = values
    with open_rollouts(tmp_path / "w.h5") as source:
        np.testing.assert_array_equal(source.read_operator(1), expected)
        assert len(source.notes) == 1
        assert words in source.notes[0]
