"""Shards of a generated dataset: the finished blocks of a part, and the dataset from the blocks of all shards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spinlock.config.dataset import DatasetConfig
from spinlock.config.text import parse_value
from spinlock.errors import DataError
from spinlock.generation.block_store import BlockStore
from spinlock.generation.blocks import Block
from spinlock.generation.compute_block import BlockResult
from spinlock.generation.merge import BlockReader, merge_blocks
from spinlock.generation.plan import GenerationPlan, plan_of, shard_work
from spinlock.io.atomic import check_writable
from spinlock.sharding.collection import ShardCollection
from spinlock.sharding.pieces import Piece, PieceReader, open_pieces
from spinlock.sharding.writing import make_shard

ARRAYS = [each.name for each in fields(BlockResult)]


def write_blocks(plan: GenerationPlan, store: BlockStore, settings: Mapping[str, Any]) -> int:
    """Write the shard of a plan from its finished blocks, and return the number of operators that diverged.

    Parameters
    ----------
    plan
        The plan of a shard.
    store
        The results of its blocks.
    settings
        What the join needs in addition, as JSON values.
    """
    assert plan.shard is not None
    num_diverged = 0

    def pieces() -> Iterator[Piece]:
        nonlocal num_diverged
        for block in plan.blocks:
            result = store.read(block, ["fields", "snapshots"])
            num_diverged += int((result.blow_up > 0).any(1).sum())
            arrays = {name: getattr(result, name) for name in ARRAYS}
            yield {name: values for name, values in arrays.items() if values is not None}

    work = shard_work(plan, settings)
    make_shard(plan.shard, work, pieces(), lambda: {"num_diverged": num_diverged})
    return num_diverged


class ShardedBlocks(BlockReader):
    """The blocks of all shards, which are read when they are needed."""

    def __init__(self, places: Mapping[int, tuple[PieceReader, int]]) -> None:
        self._places = places

    def read(self, block: Block, frames: Collection[str] = ()) -> BlockResult:
        """Return a block; ``frames`` contains ``fields`` or ``snapshots`` if these are also read."""
        reader, position = self._places[block.number]
        names = [name for name in ARRAYS if name not in ("fields", "snapshots") or name in frames]
        arrays: dict[str, Any] = {"fields": None} | reader.read(position, names)
        return BlockResult(**arrays)


def join_blocks(shards: ShardCollection, *, overwrite: bool, advance: Callable[[int], None]) -> GenerationPlan:
    """Write the dataset of complete shards; it has the bytes of the file that is made without shards.

    Parameters
    ----------
    shards
        All shards.
    overwrite
        Whether an existing file is replaced.
    advance
        Called with the number of blocks of each shard, after the shard was opened.

    Returns
    -------
    GenerationPlan
        The plan of the dataset.

    Raises
    ------
    DataError
        The predicted operators cannot be read or are others, or a library has another version than in the shards.
    OutputError
        The file exists or cannot be written.
    """
    work = shards.first.work
    config = DatasetConfig.model_validate(parse_value(work.settings["configuration"]))
    inputs: list[Path] = [] if config.from_predictions is None else [config.from_predictions]
    check_writable(shards.output, overwrite=overwrite, inputs=inputs)
    plan = plan_of(config, shards.output, torch.device(work.identity["device_type"]))
    different = work.differences(plan.identity)
    if different:
        raise DataError(
            f"the shards differ from this installation in {', '.join(different)}",
            where=str(shards.output),
            expected="the versions and inputs with which the shards were made",
            remedy="join where the shards were made, or make all shards again with overwrite=True",
        )
    with ExitStack() as stack:
        places: dict[int, tuple[PieceReader, int]] = {}
        for shard, manifest in shards.shards():
            reader = stack.enter_context(open_pieces(shard.path))
            numbers = np.concatenate([np.arange(*pair) for pair in manifest.work.ranges] or [np.empty(0, int)])
            places |= {int(number): (reader, position) for position, number in enumerate(numbers)}
            advance(len(numbers))
        attributes = dict(work.settings["attributes"])
        merge_blocks(plan, ShardedBlocks(places), overwrite=overwrite, attributes=attributes)
    return plan
