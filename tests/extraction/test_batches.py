"""Batches of operators: their borders depend on the file alone, and shards consist of whole batches."""

from pathlib import Path

import numpy as np
import pytest

from spinlock.extraction import batches
from spinlock.extraction.batches import batch_size, read_batches
from spinlock.extraction.output import Extraction, ExtractionShard
from spinlock.io.rollouts import open_rollouts
from spinlock.sharding import Shard
from tests.io.rollout_files import write_rollouts


def sizes(path: Path, operators: range) -> list[int]:
    """The numbers of operators of the batches of some operators."""
    with open_rollouts(path) as source:
        return [len(fields) for fields, _ in read_batches(source, operators, hold_diverged=False, scale=1.0)]


@pytest.fixture(scope="module")
def rollouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rollouts of 600 operators, of which the last 241 have one channel."""
    path = tmp_path_factory.mktemp("batches") / "rollouts.h5"
    fields = np.random.default_rng(0).normal(size=(600, 1, 1, 2, 1, 16)).astype(np.float32)
    write_rollouts(path, fields, [2] * 359 + [1] * 241)
    return path


@pytest.mark.parametrize("count", [2, 7, 8, 20, 600])
def test_the_batches_of_shards_are_those_of_the_whole_file(rollouts: Path, count: int) -> None:
    extraction = Extraction(rollouts, 1.0, False, "", "cpu")
    with open_rollouts(rollouts) as source:
        assert batch_size(source) == 4
        parts = [ExtractionShard(Shard("f.h5", i, count), source, extraction).operators for i in range(1, count + 1)]
    assert [operator for part in parts for operator in part] == list(range(600))
    assert [size for part in parts for size in sizes(rollouts, part)] == sizes(rollouts, range(600))
    if count <= 8:
        assert max(map(len, parts)) <= 600 / (0.9 * count)


def test_a_batch_ends_where_the_number_of_channels_changes(rollouts: Path) -> None:
    found = sizes(rollouts, range(600))
    assert found == [4] * 89 + [3, 1] + [4] * 60


def test_a_batch_has_a_limited_number_of_values(rollouts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MAX_BATCH_ELEMENTS", 70)
    with open_rollouts(rollouts) as source:
        assert batch_size(source) == 2
