"""Joint codes: their assignment against all alternatives, and the refinement of the decoder."""

import torch
from torch import Tensor

from spinlock.model.codec.joint_assignment import JointTables
from spinlock.model.network.joint_codes import JointCodes

SIZES = ((4, 3, 5), (2, 6, 3))


def codes(seed: int = 0) -> JointCodes:
    generator = torch.Generator().manual_seed(seed)
    joint_codes = JointCodes(SIZES, columns=9, hidden_dim=7, generator=generator)
    for levels in (1, 2, 3):
        joint_codes.vectors(levels).copy_(torch.randn(joint_codes.vectors(levels).shape, generator=generator))
    return joint_codes


def rows(count: int = 100) -> Tensor:
    return 2 * torch.randn(count, 9, generator=torch.Generator().manual_seed(1))


def initial_tokens(count: int = 100) -> Tensor:
    return torch.zeros(count, 2, 3, dtype=torch.int64)


def squared_error(joint_codes: JointCodes, x: Tensor, tokens: Tensor) -> Tensor:
    return (x - joint_codes.sums(tokens)).square().sum(1)


def test_sums_add_the_vectors_of_every_prefix() -> None:
    joint_codes, tokens = codes(), torch.tensor([[[3, 2, 4], [1, 5, 2]], [[0, 1, 2], [0, 0, 0]]])
    offsets = {1: [[0], [4]], 2: [[0, 4], [7, 9]], 3: [[0, 4, 7], [12, 14, 20]]}
    for levels, first in offsets.items():
        expected = joint_codes.vectors(levels)[(tokens[..., :levels] + torch.tensor(first)).flatten(1)].sum(1)
        torch.testing.assert_close(joint_codes.sums(tokens[..., :levels]), expected)


def test_more_sweeps_do_not_increase_the_error() -> None:
    joint_codes, x = codes(), rows()
    previous = squared_error(joint_codes, x, initial_tokens())
    for sweeps in (1, 2, 5):
        after = squared_error(
            joint_codes, x, JointTables(joint_codes).assign(x, initial_tokens(), width=8, sweeps=sweeps)[0]
        )
        assert (after <= previous + 1e-4).all()
        previous = after


def test_after_convergence_no_category_has_a_better_triple() -> None:
    joint_codes, x = codes(), rows()
    best, _ = JointTables(joint_codes).assign(x, initial_tokens(), width=60, sweeps=50)
    for c, sizes in enumerate(SIZES):
        for triple in torch.cartesian_prod(*map(torch.arange, sizes)):
            other = best.clone()
            other[:, c] = triple
            assert (squared_error(joint_codes, x, other) >= squared_error(joint_codes, x, best) - 1e-4).all()


def test_the_tokens_of_a_row_do_not_depend_on_the_other_rows() -> None:
    joint_codes, x = codes(), rows()
    tables = JointTables(joint_codes)
    together, margin = tables.assign(x, initial_tokens(), width=8)
    for row in range(0, 100, 7):
        single, own = tables.assign(x[row : row + 1], initial_tokens(1), width=8)
        assert torch.equal(single[0], together[row])
        torch.testing.assert_close(own[0], margin[row], atol=1e-4, rtol=1e-3)


def test_the_margin_is_zero_for_two_equal_codes() -> None:
    joint_codes = codes()
    joint_codes.vectors()[1] = joint_codes.vectors()[0]
    tokens, margin = JointTables(joint_codes).assign(rows(), initial_tokens(), width=8)
    affected = tokens[:, 0, 0] <= 1
    assert affected.any()
    assert (margin[affected] < 1e-4).all()


def test_the_refinement_is_initially_the_identity_and_equals_its_formula() -> None:
    joint_codes, y = codes(), rows(5)
    assert torch.equal(joint_codes.refine(y), y)
    with torch.no_grad():
        joint_codes.output.copy_(torch.randn(7, 9, generator=torch.Generator().manual_seed(2)))
        joint_codes.hidden_bias.fill_(0.3)
    x = (y @ joint_codes.hidden + 0.3).double()
    gelu = 0.5 * x * (1 + torch.erf(x / 2**0.5))
    torch.testing.assert_close(
        joint_codes.refine(y).double(), y.double() + gelu @ joint_codes.output.double(), atol=1e-5, rtol=1e-5
    )
