"""Encoding streams: peak memory does not grow with the number of rows."""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from tests.cli.workplace import Workplace
from tests.tables import low_rank_table, write_table

FEW, MANY, WIDE = 5_000, 200_000, 40
ALLOWANCE = 60_000
"""Kilobytes; the larger table alone has 32,000 and its tokens as much again in int64."""

MEASURED = """
import resource, runpy, sys
try:
    runpy.run_module("spinlock", run_name="__main__", alter_sys=True)
finally:
    print("peak:", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def repeated_table(path: Path, x: NDArray[np.float32], rows: int) -> None:
    """A chunked table of ``rows`` rows that repeats ``x``, written piece by piece."""
    with h5py.File(path, "w") as file:
        table = file.create_dataset(
            "features/sdf/aggregated/features", (rows, x.shape[1]), np.float32, chunks=(1000, x.shape[1])
        )
        for start in range(0, rows, len(x)):
            table[start : start + len(x)] = x


def peak(place: Workplace, dataset: str) -> int:
    """Kilobytes at most in memory while encoding."""
    arguments = ("--dataset", dataset, "--vqvae-model", "run/best_model.pt", "--output", f"tokens of {dataset}")
    result = place.run("encode-to-tokens", *arguments, program=("-c", MEASURED))
    assert result.returncode == 0, result.stderr
    return int(result.stderr.rpartition("peak: ")[2])


def test_peak_memory_is_flat_in_the_number_of_rows(tmp_path: Path) -> None:
    x = low_rank_table(np.random.default_rng(0), FEW, WIDE, 6)
    place = Workplace.make(tmp_path, num_categories_auto=2, epochs=0, input_path="small.h5")
    write_table(tmp_path / "small.h5", x[:300])
    place.done("train-vqvae", "--config", "config.json")
    for name, rows in (("few.h5", FEW), ("many.h5", MANY)):
        repeated_table(tmp_path / name, x, rows)
    assert peak(place, "many.h5") < peak(place, "few.h5") + ALLOWANCE
    with h5py.File(tmp_path / "tokens of many.h5", "r") as many, h5py.File(tmp_path / "tokens of few.h5", "r") as few:
        assert many["tokens/indices"].shape == (MANY, 6)
        np.testing.assert_array_equal(many["tokens/indices"][-FEW:], few["tokens/indices"][()])
