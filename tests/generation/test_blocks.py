"""Blocks: every operator is in one block, and its position does not depend on the number of operators."""

from collections import Counter

import pytest

from spinlock.generation.blocks import BLOCK_SIZES, Block, plan_blocks
from spinlock.generation.design import make_design
from spinlock.operators.network import Architecture
from tests.generation.settings import small_config


def blocks_of(count: int, device_type: str = "cpu") -> list[Block]:
    return plan_blocks(make_design(small_config(num_samples=count)).operators, device_type)


@pytest.mark.parametrize("device_type", BLOCK_SIZES)
@pytest.mark.parametrize("count", [1, 5, 200])
def test_every_operator_is_in_one_block(count: int, device_type: str) -> None:
    blocks = blocks_of(count, device_type)
    assert Counter(member for block in blocks for member in block.members) == Counter(range(count))
    assert [block.number for block in blocks] == list(range(len(blocks)))


def test_a_block_holds_one_family_or_one_architecture() -> None:
    operators = make_design(small_config(num_samples=200)).operators
    for block in plan_blocks(operators, "cpu"):
        assert {operators.strata[operators.stratum[member]].family for member in block.members} == {block.family}
        if block.architecture is not None:
            for member in block.members:
                stratum, rank = int(operators.stratum[member]), int(operators.rank[member])
                depth = operators.values(stratum, "neural.depth")[rank]
                assert depth == block.architecture.depth
        assert len(block.members) <= block.size == BLOCK_SIZES["cpu"][block.architecture is not None]


def test_a_larger_dataset_keeps_the_position_of_each_operator_in_its_block() -> None:
    def positions(count: int) -> dict[int, tuple[int, ...]]:
        return {
            member: block.members[: block.members.index(member) + 1]
            for block in blocks_of(count)
            for member in block.members
        }

    small_run, large_run = positions(70), positions(300)
    assert small_run == {member: large_run[member] for member in range(70)}


def test_a_partial_block_repeats_its_last_operator() -> None:
    assert Block(0, (3, 8), 4, "wave").padded == (3, 8, 8)
    assert Block(0, (3, 8), 2, "wave").padded == (3, 8)
    assert Block(0, (3, 8), 4, "neural", Architecture(2, 4, 3)).padded == (3, 8, 8)


def test_the_families_of_operators_are_interleaved() -> None:
    blocks = blocks_of(800)
    first_half = Counter(block.family for block in blocks[: len(blocks) // 2])
    total = Counter(block.family for block in blocks)
    assert all(abs(first_half[family] / total[family] - 0.5) < 0.2 for family in total)
