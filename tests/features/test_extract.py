"""The three feature tables: names, statistics, probes, and the features of one operator."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from spinlock.config import dataset
from spinlock.errors import DataError
from spinlock.features import run
from spinlock.features.extract import FRAME_GROUPS, RUN_GROUPS, aggregate, describe, extract, feature_names
from tests.features.signals import degenerate, noise, probed


def test_names_consist_of_group_feature_and_statistic() -> None:
    names = feature_names(with_probes=True)
    groups = [*FRAME_GROUPS, *RUN_GROUPS]
    for table, parts in ((names.per_timestep, 2), (names.per_trajectory, 2), (names.aggregated, 3)):
        assert all(len(name.split(".")) == parts and name.split(".")[0] in groups for name in table)
        assert len(set(table)) == len(table)
    base = Counter(name.split(".")[0] for name in (*names.per_timestep, *names.per_trajectory))
    assert set(base) == set(groups)
    assert min(base.values()) >= 6
    assert base.total() >= 110
    assert 300 <= len(names.aggregated) <= 450


def test_statistics_agree_with_numpy(rng: np.random.Generator) -> None:
    frame, per_run = rng.normal(size=(3, 4, 9, 2)), rng.normal(size=(3, 4, 5))
    expected = [
        frame.mean((1, 2)),
        np.sqrt(((frame - frame.mean(2, keepdims=True)) ** 2).mean(2)).mean(1),
        (frame[:, :, 7:].mean(2) - frame[:, :, :2].mean(2)).mean(1),
        frame.mean(2).std(1),
        per_run.mean(1),
    ]
    result = aggregate(torch.from_numpy(frame), torch.from_numpy(per_run))
    np.testing.assert_allclose(result, np.concatenate(expected, 1), atol=1e-12)


def test_spread_and_change_of_one_frame_and_one_realization_are_zero() -> None:
    result = aggregate(noise((2, 1, 1, 3)), noise((2, 1, 4)))
    assert torch.equal(result[:, 3:12], torch.zeros(2, 9))


@pytest.mark.parametrize("with_probes", [True, False])
def test_tables_have_the_shapes_of_their_names(with_probes: bool) -> None:
    frames = noise((2, 3, 12, 2, 16, 16))
    probes = probed(frames.flatten(0, 1)).probes if with_probes else None
    names, tables = feature_names(with_probes=with_probes), extract(frames, probes)
    assert tables.per_timestep.shape == (2, 12, len(names.per_timestep))
    assert tables.per_trajectory.shape == (2, 3, len(names.per_trajectory))
    assert tables.aggregated.shape == (2, len(names.aggregated))
    assert with_probes == any(name.startswith("sensitivity.") for name in names.aggregated)
    mean = names.aggregated.index("spectral.slope.mean")
    frame = names.per_timestep.index("spectral.slope")
    torch.testing.assert_close(tables.aggregated[:, mean], tables.per_timestep[:, :, frame].mean(1))


def test_all_tables_of_degenerate_runs_are_finite() -> None:
    for name, frames in degenerate().items():
        tables = extract(frames[:, None], probed(frames).probes)
        for table in (tables.per_timestep, tables.per_trajectory, tables.aggregated):
            assert torch.isfinite(table).all(), name


@pytest.mark.parametrize("shape", [(12, 2, 16, 24), (3, 12, 1, 16, 16), (12, 1, 1, 32)], ids=str)
def test_describe_equals_the_batched_extraction(shape: tuple[int, ...]) -> None:
    frames = noise(shape)
    values = describe(frames)
    batched = extract(frames.reshape(1, -1, *shape[-4:]), None).aggregated[0]
    assert list(values) == list(feature_names(with_probes=False).aggregated)
    assert list(values.values()) == batched.tolist()
    assert describe(frames.double().numpy()) == values


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((16, 16)), r"frames have the shape \[16, 16\]; expected \[T, C, H, W\] or \[M, T, C, H, W\]"),
        (np.zeros((0, 1, 16, 16)), r"frames have the shape \[0, 1, 16, 16\]"),
        (np.zeros((2, 1, 16, 8)), "a grid of 16 x 8 points is too small for the features; expected 16 or more"),
        (np.zeros((2, 1, 1, 1)), "a grid of 1 x 1 points is too small"),
        (np.zeros((2, 1, 16, 16), dtype=complex), "frames have the type complex128; expected real numbers"),
        (np.full((2, 1, 16, 16), np.nan), "the largest .u. is nan; expected finite values of at most 1e.06"),
        (np.full((2, 1, 16, 16), 2e6), r"the largest .u. is 2e\+06"),
    ],
)
def test_wrong_frames_are_refused(frames: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        describe(frames)


def test_features_and_datasets_have_the_same_minimum_grid() -> None:
    assert run.MIN_GRID == dataset.MIN_GRID
