"""Latent redundancy against a loop over pairs of categories in NumPy."""

import numpy as np
import pytest
import torch

from spinlock.metrics.redundancy import latent_redundancy


def redundancy_by_loop(latents: np.ndarray) -> float:
    """The mean over pairs of categories by definition, for latents [C, B, E]."""
    shares = []
    for c in range(len(latents)):
        for d in range(c + 1, len(latents)):
            first, second = (latents[i] - latents[i].mean(0) for i in (c, d))
            cross = first.T @ second / len(first)
            shares.append((cross**2).sum() / (first.var(0).sum() * second.var(0).sum()))
    return float(np.mean(shares))


def test_redundancy_equals_the_mean_over_pairs_of_categories(rng: np.random.Generator) -> None:
    latents = rng.standard_normal((4, 60, 5)) + 3.0
    latents[2] += 0.8 * latents[0]
    assert latent_redundancy(torch.from_numpy(latents)).item() == pytest.approx(redundancy_by_loop(latents), rel=1e-9)


def test_redundancy_of_one_component_is_the_squared_correlation(rng: np.random.Generator) -> None:
    first = rng.standard_normal(200)
    second = 0.5 * first + rng.standard_normal(200)
    latents = torch.from_numpy(np.stack([first, second])[..., None])
    assert latent_redundancy(latents).item() == pytest.approx(np.corrcoef(first, second)[0, 1] ** 2)


def test_redundancy_does_not_depend_on_scale_and_offset(rng: np.random.Generator) -> None:
    latents = torch.from_numpy(rng.standard_normal((3, 50, 4)))
    moved = latents * torch.tensor([1.0, 10.0, 0.1])[:, None, None] + 7.0
    torch.testing.assert_close(latent_redundancy(moved), latent_redundancy(latents))


def test_constant_components_do_not_change_the_redundancy(rng: np.random.Generator) -> None:
    latents = rng.standard_normal((3, 50, 4))
    padded = np.concatenate([latents, np.full((3, 50, 2), 5.0)], axis=-1)
    plain = latent_redundancy(torch.from_numpy(latents)).item()
    assert latent_redundancy(torch.from_numpy(padded)).item() == pytest.approx(plain)


@pytest.mark.parametrize("latents", [torch.randn(1, 20, 3), torch.ones(3, 20, 4)], ids=["one category", "constant"])
def test_redundancy_of_one_category_or_constant_latents_is_zero(latents: torch.Tensor) -> None:
    assert latent_redundancy(latents).item() == 0.0
