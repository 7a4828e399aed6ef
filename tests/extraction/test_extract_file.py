"""Features of stored rollouts equal those of a generation, and unusable rollouts are refused."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.errors import DataError
from spinlock.extraction.extract_file import extract_features
from spinlock.features.extract import feature_names
from spinlock.generation.generate import generate
from spinlock.io.features import open_features
from tests.generation.settings import small_config
from tests.io.rollout_files import write_rollouts, write_well

FIELDS = np.random.default_rng(0).normal(size=(4, 2, 5, 1, 16, 16)).astype(np.float32)


def test_stored_trajectories_give_the_same_features_as_the_generation(tmp_path: Path) -> None:
    generate(small_config(num_samples=9, store_trajectories=True), tmp_path / "d.h5")
    result = extract_features(tmp_path / "d.h5", tmp_path / "f.h5", device="cpu")
    assert (result.num_operators, result.num_held) == (9, 0)
    for kind in ("aggregated", "per_trajectory", "per_timestep"):
        with (
            open_features(tmp_path / "d.h5", feature_type=kind) as inline,
            open_features(tmp_path / "f.h5", feature_type=kind) as extracted,
        ):
            places = [inline.names.index(name) for name in extracted.names]
            assert extracted.names == getattr(feature_names(with_probes=False), kind)
            np.testing.assert_allclose(extracted.read_all(), inline.read_all()[:, places], rtol=1e-3, atol=1e-4)
    with h5py.File(tmp_path / "d.h5") as one, h5py.File(tmp_path / "f.h5") as other:
        assert one["labels/family"].asstr()[()].tolist() == other["labels/family"].asstr()[()].tolist()
        assert "params" in other["parameters"]


@pytest.mark.parametrize("grid", [(24, 20), (32,)], ids=str)
def test_features_of_files_of_the_well_are_finite_and_distinct(grid: tuple[int, ...], tmp_path: Path) -> None:
    write_well(tmp_path / "w.h5", grid=grid)
    extract_features(tmp_path / "w.h5", tmp_path / "f.h5")
    with open_features(tmp_path / "f.h5") as source:
        values = source.read_all()
        assert values.shape == (3, len(source.names))
        assert np.isfinite(values).all()
        assert len({row.tobytes() for row in values}) == 3


def test_one_dimensional_fields_have_features(tmp_path: Path) -> None:
    write_rollouts(tmp_path / "a.h5", FIELDS[..., 0, :])
    extract_features(tmp_path / "a.h5", tmp_path / "f.h5")
    with open_features(tmp_path / "f.h5") as source:
        values = dict(zip(source.names, source.read_all()[1], strict=True))
    means = FIELDS[1, ..., 0, :].mean(-1)
    assert values["spatial.mean.mean"] == pytest.approx(np.arcsinh(means).mean(), abs=1e-5)


def test_nan_is_refused_unless_the_last_finite_frame_is_held(tmp_path: Path) -> None:
    bad = FIELDS.copy()
    bad[2, 1, 3, 0, 4, 4] = np.nan
    write_rollouts(tmp_path / "a.h5", bad)
    with pytest.raises(DataError, match=r"operator 2, realization 1, frame 3: contains NaN.*hold_diverged=True"):
        extract_features(tmp_path / "a.h5", tmp_path / "f.h5")
    assert not (tmp_path / "f.h5").exists()
    assert extract_features(tmp_path / "a.h5", tmp_path / "f.h5", hold_diverged=True).num_held == 1
    with h5py.File(tmp_path / "f.h5") as file:
        assert file["metadata/held"][()].tolist() == [[0, 0], [0, 0], [0, 3], [0, 0]]
        assert np.isfinite(file["features/sdf/aggregated/features"]).all()


def test_a_first_frame_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    bad = FIELDS.copy()
    bad[0, 0, 0, 0, 0, 0] = np.inf
    write_rollouts(tmp_path / "a.h5", bad)
    with pytest.raises(DataError, match="operator 0, realization 0, frame 0: contains NaN or infinite values"):
        extract_features(tmp_path / "a.h5", tmp_path / "f.h5", hold_diverged=True)


def test_large_values_are_refused_unless_they_are_scaled(tmp_path: Path) -> None:
    write_rollouts(tmp_path / "a.h5", 1e7 * FIELDS)
    with pytest.raises(DataError, match=r"expected at most 1e.06; scale the fields to about 1 with scale="):
        extract_features(tmp_path / "a.h5", tmp_path / "f.h5")
    extract_features(tmp_path / "a.h5", tmp_path / "f.h5", scale=1e-7)
    write_rollouts(tmp_path / "b.h5", FIELDS)
    extract_features(tmp_path / "b.h5", tmp_path / "g.h5")
    with open_features(tmp_path / "f.h5") as one, open_features(tmp_path / "g.h5") as other:
        np.testing.assert_allclose(one.read_all(), other.read_all(), rtol=1e-2, atol=1e-3)


def test_a_grid_that_is_too_small_is_refused(tmp_path: Path) -> None:
    write_rollouts(tmp_path / "a.h5", FIELDS[..., :8])
    with pytest.raises(DataError, match="a grid of 16 x 8 points is too small for the features; expected 16 or more"):
        extract_features(tmp_path / "a.h5", tmp_path / "f.h5")


@pytest.mark.parametrize("layout", ["spinlock", "the well"])
@pytest.mark.parametrize("frame", [0, 3])
@pytest.mark.parametrize(
    ("attribute", "words"),
    [(None, "contains values that were never written"), (-9999.0, "equal the fill value -9999 ")],
)
def test_missing_values_of_rollouts_are_named_as_such(
    tmp_path: Path, layout: str, frame: int, attribute: float | None, words: str
) -> None:
    path = tmp_path / "a.h5"
    if layout == "spinlock":
        write_rollouts(path, FIELDS)
        name, frames_axis = "outputs/fields", 2
    else:
        write_well(path)
        name, frames_axis = "t0_fields/density", 1
    with h5py.File(path, "r+") as file:
        values, attributes = file[name][...], dict(file[name].attrs)
        del file[name]
        chunks = tuple(1 if axis in (0, frames_axis) else size for axis, size in enumerate(values.shape))
        stored = file.create_dataset(name, values.shape, "f4", chunks=chunks)
        stored.attrs.update(attributes)
        if attribute is not None:
            stored.attrs["_FillValue"] = np.float32(attribute)
            values[2].swapaxes(0, frames_axis - 1)[frame] = attribute
        for operator, step in np.ndindex(len(values), values.shape[frames_axis]):
            if attribute is not None or (operator, step) != (2, frame):
                place = (operator, *[slice(None)] * (frames_axis - 1), step)
                stored[place] = values[place]
    with pytest.raises(DataError, match=f"operator 2, realization 0, frame {frame}: .*{words}"):
        extract_features(path, tmp_path / "f.h5")
