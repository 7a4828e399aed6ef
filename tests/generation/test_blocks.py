"""Blocks share the operators out, each with the operators that belong together, the same ones at every length."""

from collections import Counter

import pytest

from spinlock.generation.blocks import SIZE, Block, plan_blocks
from spinlock.generation.design import operators_of
from tests.generation.settings import small


def blocks_of(count: int, device_type: str = "cpu") -> list[Block]:
    return plan_blocks(operators_of(small(num_samples=count)), device_type)


@pytest.mark.parametrize("device_type", SIZE)
@pytest.mark.parametrize("count", [1, 5, 200])
def test_every_operator_is_in_one_block(count: int, device_type: str) -> None:
    blocks = blocks_of(count, device_type)
    assert Counter(member for block in blocks for member in block.members) == Counter(range(count))
    assert [block.number for block in blocks] == list(range(len(blocks)))


def test_a_block_holds_one_family_or_one_architecture() -> None:
    operators = operators_of(small(num_samples=200))
    for block in plan_blocks(operators, "cpu"):
        assert {operators.strata[operators.stratum[member]].family for member in block.members} == {block.family}
        if block.architecture is not None:
            for member in block.members:
                stratum, rank = int(operators.stratum[member]), int(operators.rank[member])
                depth = operators.values(stratum, "neural.depth")[rank]
                assert depth == block.architecture.depth
        assert len(block.members) <= block.size == SIZE["cpu"][block.architecture is not None]


def test_an_operator_keeps_its_place_and_its_forerunners_at_every_length() -> None:
    def places(count: int) -> dict[int, tuple[int, ...]]:
        return {
            member: block.members[: block.members.index(member) + 1]
            for block in blocks_of(count)
            for member in block.members
        }

    few, many = places(70), places(300)
    assert few == {member: many[member] for member in range(70)}


def test_a_block_that_is_not_full_repeats_its_last_operator() -> None:
    assert Block(0, (3, 8), 4, "wave").padded == (3, 8, 8, 8)


def test_all_kinds_advance_side_by_side() -> None:
    blocks = blocks_of(800)
    half = Counter(block.family for block in blocks[: len(blocks) // 2])
    whole = Counter(block.family for block in blocks)
    assert all(abs(half[family] / whole[family] - 0.5) < 0.2 for family in whole)
