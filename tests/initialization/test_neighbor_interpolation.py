"""Interpolation between nearest neighbors."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from spinlock.initialization import neighbor_interpolation
from spinlock.initialization.neighbor_interpolation import NEIGHBORS, interpolate, interpolate_neighbors, nearest_rows


def rows(count: int = 300) -> torch.Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(0))


def test_nearest_rows_equal_those_of_scikit_learn() -> None:
    x = rows(1500)
    expected = NearestNeighbors(n_neighbors=NEIGHBORS + 1).fit(x.numpy()).kneighbors(x.numpy())[1][:, 1:]
    assert np.array_equal(np.sort(nearest_rows(x).numpy()), np.sort(expected))


def test_the_first_version_has_the_rows_and_the_others_lie_between_neighbors() -> None:
    x = rows()
    augmented, near = interpolate_neighbors(x, 0), nearest_rows(x)
    assert augmented.shape == (6, 300, 4)
    assert torch.equal(augmented[0], x)
    for version in augmented[1:]:
        line = x[near] - x[:, None]
        fraction_on_line = ((version[:, None] - x[:, None]) * line).sum(-1) / line.square().sum(-1)
        distance_from_line = (version[:, None] - x[:, None] - fraction_on_line[..., None] * line).norm(dim=-1)
        best = distance_from_line.argmin(1)
        assert (distance_from_line.min(1).values < 1e-5).all()
        fraction = fraction_on_line[torch.arange(300), best]
        assert ((fraction >= 0) & (fraction <= 1)).all()
    assert not torch.equal(augmented[1], augmented[2])


def test_large_tables_and_tiny_tables_are_not_augmented() -> None:
    assert interpolate_neighbors(rows(), 0, target_rows=599).shape == (1, 300, 4)
    assert interpolate_neighbors(rows(), 0, target_rows=600).shape == (2, 300, 4)
    assert interpolate_neighbors(rows(5), 0).shape == (1, 5, 4)


def test_the_seed_determines_the_interpolated_rows() -> None:
    assert torch.equal(interpolate_neighbors(rows(), 3), interpolate_neighbors(rows(), 3))
    assert not torch.equal(interpolate_neighbors(rows(), 3), interpolate_neighbors(rows(), 4))


def test_a_step_draws_new_points_between_rows_and_their_neighbors() -> None:
    x = rows()
    near = nearest_rows(x)
    uniform = torch.rand(2, 3000, generator=torch.Generator().manual_seed(0))
    chosen = torch.arange(3000) % len(x)
    points = interpolate(x, near, chosen, uniform)
    rank = (6 * uniform[0]).long()
    assert torch.equal(points[rank == 5], x[chosen][rank == 5])
    moved = rank < 5
    assert 0.8 < moved.float().mean() < 0.87
    neighbor = x[near[chosen[moved], rank[moved]]]
    expected = x[chosen[moved]] + uniform[1, moved, None] * (neighbor - x[chosen[moved]])
    torch.testing.assert_close(points[moved], expected)


def test_a_table_of_many_columns_has_fewer_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbor_interpolation, "MAX_TARGET_CELLS", 3 * 300 * 4)
    assert interpolate_neighbors(rows(), 0).shape == (3, 300, 4)
