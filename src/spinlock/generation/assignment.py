"""Assignment of blocks to shards, each of which computes nearly the same number of operators, including copies."""

from collections.abc import Sequence

from spinlock.generation.blocks import Block
from spinlock.sharding.shard import Shard


def blocks_of_shard(blocks: Sequence[Block], shard: Shard | None) -> list[Block]:
    """Return the blocks of a shard in the order of their numbers, or all blocks if ``shard`` is None.

    The blocks are assigned greedily in descending order of their number of operators, each to the shard with the fewest
    operators so far. Among blocks with equal numbers, those with fewer copies come first, and the blocks of one family
    are consecutive, so that families with slow steps are spread over the shards.

    Parameters
    ----------
    blocks
        All blocks of the dataset.
    shard
        The shard.
    """
    if shard is None:
        return list(blocks)
    loads = [0] * shard.count
    own = []
    for block in sorted(blocks, key=lambda each: (-len(each.padded), -len(each.members), each.family, each.number)):
        receiver = loads.index(min(loads))
        loads[receiver] += len(block.padded)
        if receiver == shard.number - 1:
            own.append(block)
    return sorted(own, key=lambda each: each.number)
