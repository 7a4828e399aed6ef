"""Shards of a process group. The tests of training include collective operations of several processes."""

import torch

from spinlock.runtime.process_group import ProcessGroup


def test_process_r_of_w_gets_every_wth_row_starting_at_row_r() -> None:
    rows = torch.arange(7)
    shards = [ProcessGroup(rank, 3).shard(rows).tolist() for rank in range(3)]
    assert shards == [[0, 3, 6], [1, 4], [2, 5]]
    assert [ProcessGroup(rank, 3).shard_size(4) for rank in range(3)] == [2, 1, 1]
    assert ProcessGroup(1, 3).shard(rows[None].expand(2, -1), dim=1).tolist() == [[1, 4]] * 2


def test_operations_of_a_single_process_return_their_arguments() -> None:
    rows = torch.arange(7)
    assert ProcessGroup().shard(rows) is rows
    assert ProcessGroup().all_gather(rows, 7) is rows
    assert ProcessGroup().all_reduce_sum(rows) is rows
    assert ProcessGroup().gather_objects(rows) == [rows]
    assert ProcessGroup().any(True)
