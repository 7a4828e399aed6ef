"""Operations with custom gradients against automatic differentiation."""

import torch

from spinlock.model.network.codebook import to_one_hot
from spinlock.model.network.gradients import lookup_rows, straight_through


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_lookup_rows_and_its_gradient() -> None:
    tables = torch.randn(2, 5, 3, generator=seeded(), dtype=torch.float64, requires_grad=True)
    indices = torch.randint(5, (2, 7), generator=seeded())
    one_hot = to_one_hot(indices, 5).double()
    assert torch.equal(one_hot.argmax(-1), indices)
    assert torch.equal(one_hot.sum(-1), torch.ones(2, 7, dtype=torch.float64))
    torch.testing.assert_close(lookup_rows(tables, indices, one_hot), torch.bmm(one_hot, tables))
    assert torch.autograd.gradcheck(lambda each: lookup_rows(each, indices, one_hot), tables)


def test_the_straight_through_estimator_returns_the_value_and_the_given_derivative() -> None:
    value = torch.randn(2, 7, 4, generator=seeded(), requires_grad=True)
    embeddings = torch.randn(2, 7, 3, generator=seeded(1), requires_grad=True)
    derivative, weights = torch.randn(2, 3, 4, generator=seeded(2)), torch.randn(2, 7, 4, generator=seeded(3))
    estimate = straight_through(value, embeddings, derivative)
    assert torch.equal(estimate, value)
    gradients = torch.autograd.grad((estimate * weights).sum(), [value, embeddings])
    expected = value + torch.bmm(embeddings - embeddings.detach(), derivative)
    for gradient, other in zip(
        gradients, torch.autograd.grad((expected * weights).sum(), [value, embeddings]), strict=True
    ):
        torch.testing.assert_close(gradient, other)
