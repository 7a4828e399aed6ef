"""Beam search against every combination of codes."""

from itertools import product

import pytest
import torch
from torch import Tensor

from spinlock.model.codec.beam_search import beam_search, cost_of_codes, pairwise_costs, smallest

SIZES = (5, 3, 4)


def random_case(rows: int = 60) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    generator = torch.Generator().manual_seed(0)
    vectors = [torch.randn(size, 6, generator=generator, dtype=torch.float64) for size in SIZES]
    y = 1.5 * torch.randn(rows, 6, generator=generator, dtype=torch.float64)
    return y, vectors, [book.square().sum(1) - 2 * y @ book.t() for book in vectors]


def brute_force(y: Tensor, vectors: list[Tensor]) -> Tensor:
    """Costs |y - sum|^2 - |y|^2 [B, 60] of every triple of codes, in lexicographic order."""
    sums = torch.stack([sum(book[k] for book, k in zip(vectors, triple, strict=True)) for triple in triples()])
    return torch.cdist(y, sums).square() - y.square().sum(1, keepdim=True)


def triples() -> list[tuple[int, ...]]:
    return list(product(*map(range, SIZES)))


def test_a_beam_with_all_prefixes_finds_the_nearest_sum() -> None:
    y, vectors, unary = random_case()
    result = beam_search(unary, pairwise_costs(vectors), width=15)
    costs = brute_force(y, vectors)
    two = costs.topk(2, largest=False)
    assert torch.equal(result.codes, torch.tensor(triples())[two.indices[:, 0]])
    torch.testing.assert_close(result.cost, two.values[:, 0])
    torch.testing.assert_close(result.margin, two.values[:, 1] - two.values[:, 0])


def test_a_beam_of_width_one_selects_the_nearest_code_of_each_level() -> None:
    y, vectors, unary = random_case()
    residual, expected = y, []
    for book in vectors:
        nearest = torch.cdist(residual, book).argmin(1)
        expected.append(nearest)
        residual = residual - book[nearest]
    assert torch.equal(beam_search(unary, pairwise_costs(vectors), width=1).codes, torch.stack(expected, dim=1))


def test_the_mean_cost_falls_with_the_width_and_is_nearly_minimal_for_width_eight() -> None:
    y, vectors, unary = random_case(500)
    best = brute_force(y, vectors).min(1).values
    excess = [
        float((beam_search(unary, pairwise_costs(vectors), width=width).cost - best).mean()) for width in (1, 2, 4, 8)
    ]
    assert excess == sorted(excess, reverse=True)
    assert excess[0] > 0.05
    assert excess[3] < 0.002


@pytest.mark.parametrize("width", [1, 4])
def test_the_returned_cost_is_the_cost_of_the_returned_codes(width: int) -> None:
    _, vectors, unary = random_case()
    pairwise = pairwise_costs(vectors)
    result = beam_search(unary, pairwise, width)
    torch.testing.assert_close(cost_of_codes(result.codes, unary, pairwise), result.cost)


@pytest.mark.parametrize("count", [1, 4, 30])
@pytest.mark.parametrize("entries", [3, 30, 256])
def test_smallest_equals_the_first_entries_after_sorting(entries: int, count: int) -> None:
    costs = torch.randn(50, entries, generator=torch.Generator().manual_seed(1))
    count = min(count, entries)
    values, positions = smallest(costs.clone(), count)
    torch.testing.assert_close(values, costs.sort(1).values[:, :count])
    torch.testing.assert_close(costs.gather(1, positions), values)


@pytest.mark.parametrize("width", [1, 8])
def test_the_margin_is_the_additional_cost_of_the_second_best_codes(width: int) -> None:
    unary = [torch.tensor([[0.0, 7.5, 8.0]]), torch.tensor([[1.0, 6.0]]), torch.tensor([[2.0, 9.0]])]
    pairwise = pairwise_costs([torch.zeros(3, 1), torch.zeros(2, 1), torch.zeros(2, 1)])
    expected = 7.0 if width == 1 else 5.0  # a width of 1 only sees other codes of the last level
    assert beam_search(unary, pairwise, width).margin.tolist() == [expected]


def test_a_single_combination_has_an_infinite_margin() -> None:
    result = beam_search([torch.zeros(3, 1)], pairwise_costs([torch.zeros(1, 1)]), width=8)
    assert result.codes.tolist() == [[0], [0], [0]]
    assert result.margin.isinf().all()


def test_smallest_returns_equal_entries_in_their_order() -> None:
    values, positions = smallest(torch.tensor([[2.0, 1.0, 2.0, 1.0, 1.0]]), 4)
    assert (values.tolist(), positions.tolist()) == ([[1.0, 1.0, 1.0, 2.0]], [[1, 3, 4, 0]])


def test_beam_search_does_not_change_its_input() -> None:
    _, vectors, unary = random_case()
    before = [costs.clone() for costs in unary]
    beam_search(unary, pairwise_costs(vectors), 4)
    assert all(torch.equal(*pair) for pair in zip(unary, before, strict=True))
