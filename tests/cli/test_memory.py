"""Training and encoding stream the table: peak memory does not grow with the number of rows."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.cli.workspace import Workspace
from tests.tables import low_rank_table

FEW_ROWS, MANY_ROWS, COLUMNS, GROUPS = 20_000, 2_000_000, 16, 40
ALLOWANCE = 150_000
"""In kilobytes. The larger table has 128,000, its cleaned rows another 128,000, and its tokens 96,000 in int64."""

MEASURED = """
import re, runpy, sys
try:
    runpy.run_module("spinlock", run_name="__main__", alter_sys=True)
finally:
    print("peak:", re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
"""
"""A program that prints its peak memory. ``getrusage`` would include the process that started it."""


def repeated_table(path: Path, x: NDArray[np.float32], rows: int) -> None:
    """Write a chunked table of ``rows`` rows that repeats ``x``. Each row has the name of its group."""
    names = [f"operators of the group {number}" for number in np.arange(len(x)) % GROUPS]
    with h5py.File(path, "w") as file:
        table = file.create_dataset(
            "features/sdf/aggregated/features", (rows, x.shape[1]), np.float32, chunks=(1000, x.shape[1])
        )
        labels = file.create_dataset("labels/group", (rows,), h5py.string_dtype(), chunks=(1000,))
        for start in range(0, rows, len(x)):
            table[start : start + len(x)] = x
            labels[start : start + len(x)] = names


def peak_kilobytes(workspace: Workspace, *arguments: str) -> int:
    """Peak memory of a command in kilobytes."""
    result = workspace.run(*arguments, program=("-c", MEASURED))
    assert result.returncode == 0, result.stderr
    return int(result.stderr.rpartition("peak: ")[2])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A small and a large table, and a model."""
    folder = tmp_path_factory.mktemp("memory")
    x = low_rank_table(np.random.default_rng(0), FEW_ROWS, COLUMNS, 6)
    # Nine tenths of each table are a whole number of batches, so all batches have the same size.
    settings = {"batch_size": 3600, "max_table_mb": 16, "fit_rows": 5_000, "split_by": "labels/group"}
    workspace = Workspace.make(folder, num_categories_auto=2, input_path="few.h5", **settings)
    for name, rows in (("few.h5", FEW_ROWS), ("many.h5", MANY_ROWS)):
        repeated_table(folder / name, x, rows)
    return workspace


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_peak_memory_of_training_and_encoding_is_flat_in_the_number_of_rows(workspace: Workspace) -> None:
    def training(name: str) -> int:
        return peak_kilobytes(
            workspace, "train-vqvae", "--config", "config.json", "--input", f"{name}.h5", "--output", name
        )

    def encoding(name: str) -> int:
        model = ("--vqvae-model", "few/best_model.pt")
        return peak_kilobytes(
            workspace, "encode-to-tokens", "--dataset", f"{name}.h5", *model, "--output", f"tokens of {name}.h5"
        )

    few, many = training("few"), training("many")
    assert many < few + ALLOWANCE
    assert [record["epoch"] for record in workspace.history("many")] == [0, 1]
    few, many = encoding("few"), encoding("many")
    assert many < few + ALLOWANCE
    with (
        h5py.File(workspace.path / "tokens of many.h5") as large,
        h5py.File(workspace.path / "tokens of few.h5") as small,
    ):
        assert large["tokens/indices"].shape == (MANY_ROWS, 6)
        np.testing.assert_array_equal(large["tokens/indices"][-FEW_ROWS:], small["tokens/indices"][()])
