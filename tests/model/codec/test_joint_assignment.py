"""Joint codes: their assignment against every other choice, and their refinement."""

import torch
from torch import Tensor

from spinlock.model.codec.joint_assignment import JointTables
from spinlock.model.network.joint_codes import JointCodes

SIZES = ((4, 3, 5), (2, 6, 3))


def codes(seed: int = 0) -> JointCodes:
    generator = torch.Generator().manual_seed(seed)
    made = JointCodes(SIZES, columns=9, hidden_dim=7, generator=generator)
    for levels in (1, 2, 3):
        made.vectors(levels).copy_(torch.randn(made.vectors(levels).shape, generator=generator))
    return made


def rows(count: int = 100) -> Tensor:
    return 2 * torch.randn(count, 9, generator=torch.Generator().manual_seed(1))


def start(count: int = 100) -> Tensor:
    return torch.zeros(count, 2, 3, dtype=torch.int64)


def error(made: JointCodes, x: Tensor, tokens: Tensor) -> Tensor:
    return (x - made.sums(tokens)).square().sum(1)


def test_sums_add_the_vectors_of_every_prefix() -> None:
    made, tokens = codes(), torch.tensor([[[3, 2, 4], [1, 5, 2]], [[0, 1, 2], [0, 0, 0]]])
    offsets = {1: [[0], [4]], 2: [[0, 4], [7, 9]], 3: [[0, 4, 7], [12, 14, 20]]}
    for levels, first in offsets.items():
        expected = made.vectors(levels)[(tokens[..., :levels] + torch.tensor(first)).flatten(1)].sum(1)
        torch.testing.assert_close(made.sums(tokens[..., :levels]), expected)


def test_more_sweeps_never_raise_the_error() -> None:
    made, x = codes(), rows()
    previous = error(made, x, start())
    for sweeps in (1, 2, 5):
        after = error(made, x, JointTables(made).assign(x, start(), width=8, sweeps=sweeps)[0])
        assert (after <= previous + 1e-4).all()
        previous = after


def test_at_the_end_no_category_has_a_better_triple() -> None:
    made, x = codes(), rows()
    best, _ = JointTables(made).assign(x, start(), width=60, sweeps=50)
    for c, sizes in enumerate(SIZES):
        for triple in torch.cartesian_prod(*map(torch.arange, sizes)):
            other = best.clone()
            other[:, c] = triple
            assert (error(made, x, other) >= error(made, x, best) - 1e-4).all()


def test_a_row_does_not_depend_on_the_others() -> None:
    made, x = codes(), rows()
    tables = JointTables(made)
    together, margin = tables.assign(x, start(), width=8)
    for row in range(0, 100, 7):
        alone, own = tables.assign(x[row : row + 1], start(1), width=8)
        assert torch.equal(alone[0], together[row])
        torch.testing.assert_close(own[0], margin[row], atol=1e-4, rtol=1e-3)


def test_the_margin_shrinks_to_nothing_where_two_codes_are_equal() -> None:
    made = codes()
    made.vectors()[1] = made.vectors()[0]
    tokens, margin = JointTables(made).assign(rows(), start(), width=8)
    affected = tokens[:, 0, 0] <= 1
    assert affected.any()
    assert (margin[affected] < 1e-4).all()


def test_the_refinement_starts_as_nothing_and_is_the_formula() -> None:
    made, y = codes(), rows(5)
    assert torch.equal(made.refine(y), y)
    with torch.no_grad():
        made.output.copy_(torch.randn(7, 9, generator=torch.Generator().manual_seed(2)))
        made.hidden_bias.fill_(0.3)
    x = (y @ made.hidden + 0.3).double()
    gelu = 0.5 * x * (1 + torch.erf(x / 2**0.5))
    torch.testing.assert_close(made.refine(y).double(), y.double() + gelu @ made.output.double(), atol=1e-5, rtol=1e-5)
