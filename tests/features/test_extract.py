"""The three tables: names, statistics, and what is left out where there is no operator to probe."""

from collections import Counter

import numpy as np
import pytest
import torch

from spinlock.features.extract import FRAME_GROUPS, RUN_GROUPS, aggregate, extract, feature_names
from tests.features.signals import degenerate, noise, probed


def test_names_are_group_feature_and_statistic() -> None:
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
    frame, run = rng.normal(size=(3, 4, 9, 2)), rng.normal(size=(3, 4, 5))
    expected = [
        frame.mean((1, 2)),
        np.sqrt(((frame - frame.mean(2, keepdims=True)) ** 2).mean(2)).mean(1),
        (frame[:, :, 7:].mean(2) - frame[:, :, :2].mean(2)).mean(1),
        frame.mean(2).std(1),
        run.mean(1),
    ]
    found = aggregate(torch.from_numpy(frame), torch.from_numpy(run))
    np.testing.assert_allclose(found, np.concatenate(expected, 1), atol=1e-12)


def test_one_frame_and_one_realization_have_no_spread_and_no_change() -> None:
    found = aggregate(noise((2, 1, 1, 3)), noise((2, 1, 4)))
    assert torch.equal(found[:, 3:12], torch.zeros(2, 9))


@pytest.mark.parametrize("with_probes", [True, False])
def test_tables_fit_their_names(with_probes: bool) -> None:
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


def test_everything_is_finite_on_degenerate_runs() -> None:
    for name, frames in degenerate().items():
        tables = extract(frames[:, None], probed(frames).probes)
        for table in (tables.per_timestep, tables.per_trajectory, tables.aggregated):
            assert torch.isfinite(table).all(), name
