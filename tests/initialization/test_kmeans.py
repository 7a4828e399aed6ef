"""Batched k-means against scikit-learn, and its special cases."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from spinlock.initialization.kmeans import MAX_SEEDING_ROWS, kmeans
from spinlock.model.network.codebook import code_mask, code_penalty, nearest, to_one_hot


def blobs(centers: int, rows: int, width: int, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    means = 4 * rng.standard_normal((centers, width))
    return torch.from_numpy(means[rng.integers(centers, size=rows)] + rng.standard_normal((rows, width))).float()


def inertia(points: torch.Tensor, codes: torch.Tensor) -> float:
    return torch.cdist(points.double(), codes.double()).square().min(-1).values.sum().item()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(3))
def test_inertia_is_within_two_percent_of_scikit_learn(seed: int) -> None:
    sizes = [8, 5, 12]
    points = torch.stack([blobs(1, 400, 6, seed + i) for i in range(3)])
    result = kmeans(points, torch.tensor(sizes), generator=seeded(seed), iterations=100)
    ours = [inertia(points[category], result.codes[category, :size]) for category, size in enumerate(sizes)]
    theirs = [
        KMeans(size, n_init=1, random_state=seed).fit(points[category].numpy()).inertia_
        for category, size in enumerate(sizes)
    ]
    assert sum(ours) < 1.02 * sum(theirs)


def test_the_best_of_five_seeds_is_within_two_percent_of_scikit_learn_on_separate_blobs() -> None:
    # A single start can miss one of several distant clusters, in scikit-learn as here.
    sizes = [8, 5, 12]
    points = torch.stack([blobs(size, 400, 6, i) for i, size in enumerate(sizes)])
    starts = [kmeans(points, torch.tensor(sizes), generator=seeded(seed)) for seed in range(5)]
    for category, size in enumerate(sizes):
        reference = KMeans(size, n_init=5, random_state=0).fit(points[category].numpy())
        best = min(inertia(points[category], start.codes[category, :size]) for start in starts)
        assert best < 1.02 * reference.inertia_


def test_each_category_has_its_own_number_of_codes() -> None:
    points, sizes = torch.stack([blobs(4, 300, 3, i) for i in range(3)]), torch.tensor([2, 7, 4])
    result = kmeans(points, sizes, generator=seeded())
    assert result.codes.shape == (3, 7, 3)
    for category, size in enumerate(sizes.tolist()):
        assert result.assignment[category].max() == size - 1
        assert not result.codes[category, size:].any()
        assert result.counts[category, :size].min() > 0
        assert not result.counts[category, size:].any()
    assert result.counts.sum(-1).tolist() == [300.0] * 3


def test_converged_codes_are_the_means_of_their_points() -> None:
    points = torch.stack([blobs(3, 200, 4, i) for i in range(2)])
    result = kmeans(points, torch.tensor([3, 3]), generator=seeded(), iterations=100)
    for category in range(2):
        means = torch.stack([points[category][result.assignment[category] == k].mean(0) for k in range(3)])
        torch.testing.assert_close(result.codes[category], means)


def test_as_many_codes_as_points_have_no_error() -> None:
    points = blobs(20, 20, 5, 0)[None]
    result = kmeans(points, torch.tensor([20]), generator=seeded())
    assert sorted(result.assignment[0].tolist()) == list(range(20))
    assert inertia(points[0], result.codes[0]) == pytest.approx(0, abs=1e-8)


def test_more_codes_than_distinct_points_are_finite() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]]).repeat(10, 1)[None]
    result = kmeans(points, torch.tensor([6]), generator=seeded())
    assert result.codes.isfinite().all()
    assert inertia(points[0], result.codes[0]) == 0
    assert result.counts.sum() == 30


def test_identical_points_give_identical_codes() -> None:
    result = kmeans(torch.full((1, 9, 2), 3.0), torch.tensor([4]), generator=seeded())
    torch.testing.assert_close(result.codes, torch.full((1, 4, 2), 3.0))


def test_one_code_is_the_mean() -> None:
    points = blobs(3, 100, 4, 2)[None]
    result = kmeans(points, torch.tensor([1]), generator=seeded())
    torch.testing.assert_close(result.codes[:, 0], points.mean(1))


def test_the_generator_determines_the_result() -> None:
    points, sizes = torch.stack([blobs(5, 200, 3, i) for i in range(2)]), torch.tensor([9, 6])
    first, again, other = (kmeans(points, sizes, generator=seeded(seed), iterations=2) for seed in (1, 1, 2))
    assert torch.equal(first.codes, again.codes)
    assert torch.equal(first.assignment, again.assignment)
    assert not torch.equal(first.codes, other.codes)


def test_rows_beyond_the_seeding_limit_are_also_clustered() -> None:
    rows = MAX_SEEDING_ROWS + 500
    points = blobs(3, rows, 2, 1)[None]
    result = kmeans(points, torch.tensor([3]), generator=seeded())
    assert result.assignment.shape == (1, rows)
    reference = KMeans(3, n_init=1, random_state=0).fit(points[0].numpy())
    assert inertia(points[0], result.codes[0]) < 1.02 * reference.inertia_


def test_nearest_agrees_with_cdist_and_selects_the_first_of_equal_codes() -> None:
    points, codes = torch.randn(2, 40, 3, generator=seeded()), torch.randn(2, 6, 3, generator=seeded(1))
    mask = code_mask(torch.tensor([6, 4]))
    indices = nearest(points, codes, code_penalty(codes, mask))
    assert torch.equal(indices[0], torch.cdist(points[0], codes[0]).argmin(-1))
    assert torch.equal(indices[1], torch.cdist(points[1], codes[1, :4]).argmin(-1))
    twice = codes[:, [0, 0, 1]]
    tied = nearest(codes[:, :1], twice, code_penalty(twice, torch.ones(2, 3, dtype=torch.bool)))
    assert tied.flatten().tolist() == [0, 0]


def test_to_one_hot_equals_torch_one_hot() -> None:
    indices = torch.tensor([[0, 2], [1, 1]])
    assert torch.equal(to_one_hot(indices, 3), torch.nn.functional.one_hot(indices, 3).float())
