"""Gaussian mixtures against integrals, closed forms and zuko."""

import numpy as np
import pytest
import torch
import zuko
from torch.distributions import MultivariateNormal

from spinlock.ano.density.mixture import LIMIT, GaussianMixture
from spinlock.ano.density.modes import find_modes


def random_mixture(rows: int, components: int, size: int, seed: int = 0) -> GaussianMixture:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, components, generator=generator, dtype=torch.float64)
    means = torch.randn(rows, components, size, generator=generator, dtype=torch.float64)
    factors = torch.randn(rows, components, size, size, generator=generator, dtype=torch.float64).tril()
    factors.diagonal(dim1=-2, dim2=-1).abs_().add_(0.3)
    return GaussianMixture(torch.log_softmax(logits, 1), means, factors)


def test_the_density_integrates_to_one() -> None:
    axis = torch.linspace(-12, 12, 481, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    mixture = random_mixture(1, 3, 2)
    total = mixture[torch.zeros(len(grid), dtype=torch.int64)].log_prob(grid).exp().sum() * (axis[1] - axis[0]) ** 2
    assert float(total) == pytest.approx(1, abs=1e-4)


def test_the_density_is_that_of_zuko() -> None:
    mixture = random_mixture(5, 4, 3)
    base = MultivariateNormal(mixture.means, scale_tril=mixture.factors)
    reference = zuko.distributions.Mixture(base, mixture.log_weights)
    points = torch.randn(5, 3, dtype=torch.float64)
    torch.testing.assert_close(mixture.log_prob(points), reference.log_prob(points))


def test_absent_parameters_are_integrated_out() -> None:
    mixture = random_mixture(4, 3, 3)
    present = torch.tensor([[True, True, True], [True, False, True], [False, True, False], [False, False, False]])
    points = torch.randn(4, 3, dtype=torch.float64)
    found = mixture.log_prob(points, present)
    covariances = mixture.factors @ mixture.factors.mT
    for row, keep in enumerate(present):
        index = torch.nonzero(keep).squeeze(1)
        if not len(index):
            assert float(found[row]) == pytest.approx(0, abs=1e-12)
            continue
        part = MultivariateNormal(mixture.means[row][:, index], covariances[row][:, index][:, :, index])
        expected = torch.logsumexp(mixture.log_weights[row] + part.log_prob(points[row, index]), 0)
        assert float(found[row]) == pytest.approx(float(expected), abs=1e-9)


def test_quantiles_invert_the_marginal_distribution_functions() -> None:
    mixture, levels = random_mixture(6, 4, 2), (0.0, 0.05, 0.5, 0.95, 1.0)
    points = mixture.marginal_quantile(levels)
    assert points.shape == (6, 2, 5)
    for position, level in enumerate(levels[1:-1], start=1):
        torch.testing.assert_close(
            mixture.marginal_cdf(points[..., position]),
            torch.full((6, 2), level, dtype=torch.float64),
            atol=1e-6,
            rtol=0,
        )
    assert float(points[..., 0].max()) == -LIMIT
    assert float(points[..., -1].min()) == LIMIT


def test_samples_have_the_moments_of_the_mixture() -> None:
    mixture = random_mixture(2, 3, 2)
    drawn = mixture.sample(40_000, torch.Generator().manual_seed(0))
    weights = mixture.log_weights.exp().unsqueeze(-1)
    mean = (weights * mixture.means).sum(1)
    second = (weights * (mixture.means.square() + mixture.deviations.square())).sum(1)
    torch.testing.assert_close(drawn.mean(1), mean, atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.square().mean(1), second, atol=0.2, rtol=0.05)


def test_both_modes_of_a_symmetric_mixture_are_found() -> None:
    """The sign of a parameter is unknown: modes at +2 and -2 with probabilities 0.7 and 0.3."""
    means = torch.tensor([[[2.0, 0.5], [-2.0, 0.5], [2.02, 0.5]]])
    factors = 0.3 * torch.eye(2).expand(1, 3, 2, 2)
    modes = find_modes(GaussianMixture(torch.tensor([[0.5, 0.3, 0.2]]).log(), means, factors))
    np.testing.assert_allclose(modes.probability[0], [0.7, 0.3, 0], atol=1e-6)
    np.testing.assert_allclose(modes.points[0, :2], [[2.0057, 0.5], [-2, 0.5]], atol=2e-3)


def test_components_that_overlap_have_one_mode_at_the_maximum_of_the_density() -> None:
    mixture = GaussianMixture(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[[-0.5], [0.5]]]), torch.ones(1, 2, 1, 1))
    modes = find_modes(mixture)
    assert float(modes.points[0, 0, 0]) == pytest.approx(0, abs=0.02)
    assert modes.probability[0].tolist() == pytest.approx([1, 0], abs=1e-6)


def test_every_mode_is_a_maximum() -> None:
    mixture = random_mixture(20, 6, 3, seed=3)
    modes = find_modes(mixture)
    torch.testing.assert_close(modes.probability.sum(1), torch.ones(20, dtype=torch.float64))
    points = modes.points[:, 0].requires_grad_()
    (gradient,) = torch.autograd.grad(mixture.log_prob(points).sum(), points)
    assert float(gradient.abs().max()) < 0.02
