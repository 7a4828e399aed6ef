"""Points between near neighbors."""

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from spinlock.initialization.neighbor_interpolation import NEIGHBORS, interpolate_neighbors, nearest_rows


def rows(count: int = 300) -> torch.Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(0))


def test_the_neighbors_are_those_of_scikit_learn() -> None:
    x = rows(1500)
    found = NearestNeighbors(n_neighbors=NEIGHBORS + 1).fit(x.numpy()).kneighbors(x.numpy())[1][:, 1:]
    assert np.array_equal(np.sort(nearest_rows(x).numpy()), np.sort(found))


def test_the_rows_come_first_and_the_others_lie_between_neighbors() -> None:
    x = rows()
    made, near = interpolate_neighbors(x, 0), nearest_rows(x)
    assert made.shape == (6, 300, 4)
    assert torch.equal(made[0], x)
    for version in made[1:]:
        line = x[near] - x[:, None]
        share = ((version[:, None] - x[:, None]) * line).sum(-1) / line.square().sum(-1)
        away = (version[:, None] - x[:, None] - share[..., None] * line).norm(dim=-1)
        best = away.argmin(1)
        assert (away.min(1).values < 1e-5).all()
        fraction = share[torch.arange(300), best]
        assert ((fraction >= 0) & (fraction <= 1)).all()
    assert not torch.equal(made[1], made[2])


def test_large_tables_and_tiny_ones_stay_as_they_are() -> None:
    assert interpolate_neighbors(rows(), 0, target_rows=599).shape == (1, 300, 4)
    assert interpolate_neighbors(rows(), 0, target_rows=600).shape == (2, 300, 4)
    assert interpolate_neighbors(rows(5), 0).shape == (1, 5, 4)


def test_the_seed_decides() -> None:
    assert torch.equal(interpolate_neighbors(rows(), 3), interpolate_neighbors(rows(), 3))
    assert not torch.equal(interpolate_neighbors(rows(), 3), interpolate_neighbors(rows(), 4))
