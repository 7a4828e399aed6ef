"""Rollouts in the layout of Spinlock, read as [M, T, C, H, W], and refused files."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.errors import DataError
from spinlock.io.rollouts import open_rollouts
from tests.io.rollout_files import write_rollouts

FIELDS = np.random.default_rng(0).normal(size=(4, 3, 5, 2, 16, 18)).astype(np.float32)


def test_rollouts_of_the_spinlock_layout_are_read_unchanged(tmp_path: Path) -> None:
    write_rollouts(tmp_path / "a.h5", FIELDS, channels=[2, 1, 2, 1])
    with open_rollouts(tmp_path / "a.h5") as source:
        assert (source.num_operators, source.realizations, source.frames, source.grid) == (4, 3, 5, (16, 18))
        assert [source.channels(index) for index in range(4)] == [2, 1, 2, 1]
        np.testing.assert_array_equal(source.read_operator(0), FIELDS[0])
        np.testing.assert_array_equal(source.read_operator(1), FIELDS[1, :, :, :1])


def test_one_dimensional_fields_get_a_height_of_one(tmp_path: Path) -> None:
    write_rollouts(tmp_path / "a.h5", FIELDS[..., 0, :])
    with open_rollouts(tmp_path / "a.h5") as source:
        assert source.grid == (1, 18)
        np.testing.assert_array_equal(source.read_operator(2)[:, :, :, 0], FIELDS[2, ..., 0, :])


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("outputs/fields", np.zeros((2, 3)), "expected [N, M, T, C, H, W] or [N, M, T, C, W]"),
        ("outputs/fields", np.zeros((0, 1, 2, 1, 16)), "not empty"),
        ("outputs/fields", np.zeros((1, 1, 2, 1, 16), complex), "expected real numbers"),
        ("something", np.zeros(3), "contains no rollouts, but something; expected /outputs/fields"),
    ],
)
def test_invalid_files_of_the_spinlock_layout_are_refused(
    name: str, values: np.ndarray, words: str, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file[name] = values
    with pytest.raises(DataError) as caught:
        open_rollouts(tmp_path / "a.h5")
    assert words in str(caught.value)


def test_channel_counts_above_the_stored_channels_are_refused(tmp_path: Path) -> None:
    write_rollouts(tmp_path / "a.h5", FIELDS, channels=[2, 1, 3, 1])
    with pytest.raises(DataError, match="channels"):
        open_rollouts(tmp_path / "a.h5")


@pytest.mark.parametrize(("offset", "scale"), [(101325.0, 1e-3), (1.7e9, 1.0), (-4e12, 10.0)])
def test_fields_that_vary_on_top_of_an_offset_keep_their_digits(tmp_path: Path, offset: float, scale: float) -> None:
    small = FIELDS.astype(np.float64) * scale
    fields = small.copy()
    fields[:, :, :, 0] += offset
    write_rollouts(tmp_path / "a.h5", fields)
    with open_rollouts(tmp_path / "a.h5") as source:
        assert source.offsets[1] == 0
        assert abs(source.offsets[0] - offset) < scale
        for operator in range(4):
            runs = source.read_operator(operator)
            expected = small[operator, :, :, 0] + (offset - source.offsets[0])
            np.testing.assert_allclose(runs[:, :, 0], expected, atol=1e-3 * scale)
            np.testing.assert_array_equal(runs[:, :, 1], small[operator, :, :, 1].astype(np.float32))
        assert "is subtracted from channel 0, which varies in digits that float32 does not have" in source.notes[0]


def test_nothing_is_subtracted_from_fields_that_float32_represents(tmp_path: Path) -> None:
    for values in (FIELDS, FIELDS.astype(np.float64) + 10, np.full_like(FIELDS, 1e5, dtype=np.float64)):
        write_rollouts(tmp_path / "a.h5", values)
        with open_rollouts(tmp_path / "a.h5") as source:
            np.testing.assert_array_equal(source.read_operator(1), values[1].astype(np.float32))
            assert source.notes == ()


def test_channel_counts_of_a_wrong_type_are_refused(tmp_path: Path) -> None:
    write_rollouts(tmp_path / "a.h5", FIELDS)
    for values in ("text", [1.0] * 4, [[1, 2]] * 4, None):
        with h5py.File(tmp_path / "a.h5", "r+") as file:
            file.pop("metadata/channels", None)
            if values is None:
                file.create_group("metadata/channels")
            else:
                file["metadata/channels"] = values
        with pytest.raises(DataError, match=r"a\.h5:/metadata/channels: "):
            open_rollouts(tmp_path / "a.h5")
