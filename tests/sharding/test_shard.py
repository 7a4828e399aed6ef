"""Names of shards, the division of rows, and the task of a job array."""

import itertools
from pathlib import Path

import pytest

from spinlock.errors import DataError
from spinlock.sharding import Shard
from spinlock.sharding.scheduler import array_task
from spinlock.sharding.shard import output_and_shard, parse_label


@pytest.mark.parametrize(("total", "count"), [(7, 7), (80, 7), (100, 8), (1, 1), (20, 20)])
def test_the_shards_divide_the_rows_into_nearly_equal_parts(total: int, count: int) -> None:
    parts = [Shard("a.h5", number, count).rows(total, "rows") for number in range(1, count + 1)]
    assert list(itertools.chain(*parts)) == list(range(total))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_shard_lies_beside_its_output() -> None:
    shard = Shard("folder/my.tokens.h5", 3, 7)
    assert shard.path == Path("folder/my.tokens.shard-3-of-7.h5")
    assert shard.manifest_path == Path("folder/my.tokens.shard-3-of-7.h5.json")
    assert output_and_shard(shard) == (shard.path, shard)
    assert output_and_shard(Shard("a.h5", 1, 1)) == (Path("a.h5"), None)
    assert output_and_shard("a.h5") == (Path("a.h5"), None)


@pytest.mark.parametrize(("number", "count", "words"), [(0, 3, "is 0"), (8, 7, "is 8"), (1, 0, "is 0"), (1.5, 2, "1")])
def test_wrong_numbers_are_errors(number: int, count: int, words: str) -> None:
    with pytest.raises(DataError, match=words):
        Shard("a.h5", number, count)


def test_more_shards_than_rows_are_an_error() -> None:
    with pytest.raises(DataError, match=r"a\.h5: the shard is 2/9, but there are 8 rows; expected at most 8 shards"):
        Shard("a.h5", 2, 9).rows(8, "rows")


@pytest.mark.parametrize("text", ["0/3", "8/7", "a/b", "3", "", "1/2/3", "-1/2", "1/0", "1.0/2", "1/99999999"])
def test_wrong_labels_are_errors(text: str) -> None:
    with pytest.raises(DataError, match=r"--shard is .*; expected i/n with whole numbers 1 <= i <= n .*pass for"):
        parse_label(text, "--shard")


def test_labels_are_read() -> None:
    assert parse_label("3/7", "--shard") == parse_label(" 3 / 7 ", "--shard") == (3, 7)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_COUNT": "7"}, (3, 7)),
        ({"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_COUNT": "7", "SLURM_ARRAY_TASK_MIN": "0"}, (1, 7)),
        (
            {
                "SLURM_ARRAY_TASK_ID": "14",
                "SLURM_ARRAY_TASK_COUNT": "4",
                "SLURM_ARRAY_TASK_MIN": "10",
                "SLURM_ARRAY_TASK_MAX": "16",
                "SLURM_ARRAY_TASK_STEP": "2",
            },
            (3, 4),
        ),
        ({"PBS_ARRAY_INDEX": "5", "PBS_ARRAY_COUNT": "5"}, (5, 5)),
        ({"PBS_ARRAYID": "2", "PBS_ARRAY_COUNT": "5"}, (2, 5)),
        ({"SLURM_ARRAY_TASK_ID": "", "PBS_ARRAY_INDEX": ""}, None),
        ({}, None),
    ],
)
def test_the_task_of_a_job_array_is_read(variables: dict[str, str], expected: tuple[int, int] | None) -> None:
    task = array_task(variables)
    assert (None if task is None else (task.number, task.count)) == expected


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PBS_ARRAY_INDEX": "5"}, "PBS_ARRAY_INDEX is set, but PBS_ARRAY_COUNT is not; expected PBS_ARRAY_COUNT"),
        ({"PBS_ARRAY_INDEX": "0", "PBS_ARRAY_COUNT": "5"}, "PBS_ARRAY_INDEX is 0 and PBS_ARRAY_COUNT is 5"),
        ({"SLURM_ARRAY_TASK_ID": "3"}, "SLURM_ARRAY_TASK_ID is set, but SLURM_ARRAY_TASK_COUNT is not"),
        (
            {"SLURM_ARRAY_TASK_ID": "x", "SLURM_ARRAY_TASK_COUNT": "7"},
            "SLURM_ARRAY_TASK_ID is 'x'; expected an integer",
        ),
        ({"SLURM_ARRAY_TASK_ID": "17", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1"}, "is 17 and"),
        (
            {
                "SLURM_ARRAY_TASK_ID": "2",
                "SLURM_ARRAY_TASK_COUNT": "3",
                "SLURM_ARRAY_TASK_MIN": "1",
                "SLURM_ARRAY_TASK_MAX": "7",
            },
            "the indices of the job array are not evenly spaced: 3 tasks from 1 to 7; expected 1 to 3",
        ),
        (
            {
                "SLURM_ARRAY_TASK_ID": "3",
                "SLURM_ARRAY_TASK_COUNT": "3",
                "SLURM_ARRAY_TASK_MIN": "1",
                "SLURM_ARRAY_TASK_MAX": "7",
                "SLURM_ARRAY_TASK_STEP": "2",
            },
            "3 tasks from 1 to 7; expected 1 to 5 in steps of 2",
        ),
    ],
)
def test_a_wrong_job_array_is_an_error_that_names_the_remedy(variables: dict[str, str], words: str) -> None:
    with pytest.raises(DataError, match=f"{words}.*pass --shard i/n, or --shard 1/1 for the whole file"):
        array_task(variables)
