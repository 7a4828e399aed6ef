"""Writing of HDF5 files: limits on the file size, replacement, and errors."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from spinlock.errors import OutputError
from spinlock.io.hdf5 import writing_hdf5

LIMITED = """
import resource, sys
import h5py, numpy as np
from spinlock.io.hdf5 import writing_hdf5
from spinlock.errors import OutputError

sys.dont_write_bytecode = True  # a truncated file would break later imports
limit, kind, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
rng = np.random.default_rng(0)
try:
    with writing_hdf5(path) as file:
        if kind == "rows":
            table = file.create_dataset("x", (20000, 20), "f4", chunks=(1024, 20), compression="gzip")
            for start in range(0, 20000, 1000):
                table[start : start + 1000] = rng.random((1000, 20))
        elif kind == "text":
            for name in "abcd":
                file.create_dataset(name, data=["x" * 50] * 10000, dtype=h5py.string_dtype())
        else:
            for index in range(300):
                file[f"group{index}/x"] = rng.random(30)
                file.attrs[f"a{index}"] = "b" * 200
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("limit", "kind"),
    [
        (0, "groups"),
        (100, "rows"),
        (3000, "groups"),
        (100_000, "rows"),
        (100_000, "text"),
        (100_000, "groups"),
    ],
)
def test_a_limit_on_file_size_is_an_error_of_one_line_and_leaves_no_file(tmp_path: Path, limit: int, kind: str) -> None:
    target = tmp_path / "sub" / "out.h5"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), kind, str(target)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == [
        f"{target}: cannot be written: the file grows beyond the allowed size; "
        "raise the limit (ulimit -f), or choose another output"
    ]
    assert done.stderr == ""
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_written_data_can_be_read_and_is_overwritten_on_request_only(tmp_path: Path, rng: np.random.Generator) -> None:
    x = rng.random((5000, 30))
    path = tmp_path / "out.h5"
    for _ in range(2):
        with writing_hdf5(path, overwrite=path.exists()) as file:
            table = file.create_dataset("x", x.shape, x.dtype, chunks=(64, 30), compression="gzip")
            for start in range(0, 5000, 100):
                table[start : start + 100] = x[start : start + 100]
            file["names"] = ["a", "ö"]
            del file["names"]
            assert np.array_equal(table[40:60], x[40:60])
            assert list(tmp_path.glob("out.h5")) == [path] * path.exists()
    with h5py.File(path) as file:
        assert np.array_equal(file["x"], x)
    with pytest.raises(OutputError, match="exists already"), writing_hdf5(path):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["out.h5"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ZeroDivisionError()])
def test_an_error_in_the_with_block_is_raised_and_leaves_no_file(tmp_path: Path, failure: BaseException) -> None:
    def write() -> None:
        with writing_hdf5(tmp_path / "out.h5") as file:
            file["x"] = np.zeros(10_000)
            raise failure

    with pytest.raises(type(failure)):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("failure", "raised"),
    [(KeyboardInterrupt(), KeyboardInterrupt), (OSError(errno.EIO, "I/O error"), OutputError)],
)
def test_an_error_while_closing_is_raised_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, raised: type[BaseException]
) -> None:
    real = os.pwrite
    closing = []

    def failing(descriptor: int, data: memoryview, offset: int) -> int:
        if closing:
            raise failure
        return real(descriptor, data, offset)

    def write() -> None:
        with writing_hdf5(tmp_path / "out.h5") as file:
            file["x"] = np.zeros(10)
            closing.append(True)

    monkeypatch.setattr(os, "pwrite", failing)
    with pytest.raises(raised):
        write()
    assert list(tmp_path.iterdir()) == []
