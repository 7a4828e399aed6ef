"""The number of this task among the tasks of a job array, from the variables of SLURM, PBS or Torque.

SLURM sets SLURM_ARRAY_TASK_ID, SLURM_ARRAY_TASK_COUNT, and the smallest, the largest and the step of the indices.
PBS sets only PBS_ARRAY_INDEX, and Torque sets only PBS_ARRAYID. Therefore the job script has to set PBS_ARRAY_COUNT,
and the indices have to begin with 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from spinlock.errors import DataError

REMEDY = "pass --shard i/n, or --shard 1/1 for the whole file"


@dataclass(frozen=True)
class ArrayTask:
    """Task ``number`` of ``count``, counted from 1, and the ``variable`` that it was read from."""

    number: int
    count: int
    variable: str


def array_task(environment: Mapping[str, str]) -> ArrayTask | None:
    """Return the task of this process, or None if it is not in a job array.

    Parameters
    ----------
    environment
        The environment variables.

    Raises
    ------
    DataError
        A variable is not an integer, the count is missing, or the tasks are not evenly spaced.
    """
    if environment.get("SLURM_ARRAY_TASK_ID"):
        first = _integer(environment, "SLURM_ARRAY_TASK_MIN", 1)
        step = max(1, _integer(environment, "SLURM_ARRAY_TASK_STEP", 1))
        task = _task(environment, "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", first, step)
        last = first + step * (task.count - 1)
        if _integer(environment, "SLURM_ARRAY_TASK_MAX", last) != last:
            raise DataError(
                f"the indices of the job array are not evenly spaced: {task.count} tasks from {first} to "
                f"{environment['SLURM_ARRAY_TASK_MAX']}",
                expected=f"{first} to {last}" + (f" in steps of {step}" if step > 1 else ""),
                remedy=REMEDY,
            )
        return task
    for index in ("PBS_ARRAY_INDEX", "PBS_ARRAYID"):
        if environment.get(index):
            return _task(environment, index, "PBS_ARRAY_COUNT", 1, 1)
    return None


def _task(environment: Mapping[str, str], index: str, count: str, first: int, step: int) -> ArrayTask:
    """Return the task of the two variables, in an array whose indices are first, first + step, ..."""
    if not environment.get(count):
        raise DataError(f"{index} is set, but {count} is not", expected=f"{count}, the number of tasks", remedy=REMEDY)
    position, total = _integer(environment, index) - first, _integer(environment, count)
    if position % step or not 0 <= position // step < total:
        values = f"{index} is {environment[index]} and {count} is {environment[count]}"
        raise DataError(values, expected=f"{index} = {first}, {first + step}, ... for {count} tasks", remedy=REMEDY)
    return ArrayTask(position // step + 1, total, index)


def _integer(environment: Mapping[str, str], name: str, default: int = 0) -> int:
    """Return a variable as an integer, or ``default`` if it is not set."""
    text = environment.get(name, "")
    try:
        return int(text) if text else default
    except ValueError:
        raise DataError(f"{name} is {text!r:.60}", expected="an integer", remedy=REMEDY) from None
