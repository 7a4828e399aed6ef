"""Bad input of the commands: exit code 1, a helpful error message, and no file written or changed."""

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from tests.cli.workspace import NAMES, Attempt, Workspace, small_table

CONFIG = ("train-vqvae", "--config", "config.json")
TRAIN = (*CONFIG, "--output", "new")
MODEL = ("--vqvae-model", "run/best_model.pt")
ENCODE = ("encode-to-tokens", *MODEL, "--output", "new.h5", "--dataset")
DECODE = ("decode-tokens", *MODEL, "--output", "new.h5", "--tokens")
DISCOVER = ("discover-categories", "--config", "config.json", "--output")
MAPPED = tuple(
    f"--set={text}"
    for text in ("category_assignment=manual", "category_mapping_file=map.json", "num_categories_auto=null")
)
X = small_table()

PrepareFile = Callable[[Workspace], str]
"""A function that writes a faulty file and returns its name."""


@dataclass(frozen=True)
class Case:
    """A command, and words that its error message contains.

    The last argument of the command is the file that ``prepare`` writes, if any. ``max_lines`` is the maximum number of
    lines on stderr: the error and the log before it. ``disk`` is the maximum size of a file in bytes.
    """

    command: tuple[str, ...]
    expected_words: tuple[str, ...]
    prepare: PrepareFile | None = None
    max_lines: int = 3
    disk: int | None = None

    def attempt(self, workspace: Workspace) -> Attempt:
        prepared = () if self.prepare is None else (self.prepare(workspace),)
        return workspace.attempt(*self.command, *prepared, largest_file=self.disk)


def table(x: Any, names: Any = NAMES, **options: Any) -> PrepareFile:
    return lambda workspace: workspace.table(x, names, **options)


def text(name: str, content: Any) -> PrepareFile:
    return lambda workspace: workspace.text(name, content)


def file_named(name: str) -> PrepareFile:
    return lambda workspace: name


def truncated_table(workspace: Workspace) -> str:
    data = (workspace.path / "table.h5").read_bytes()
    (workspace.path / "cut.h5").write_bytes(data[: len(data) // 2])
    return "cut.h5"


def one_usable_column(workspace: Workspace) -> str:
    return workspace.table(np.where(np.arange(12) == 3, X, 1), NAMES)


def faulty_table(prepare: PrepareFile, *expected_words: str, max_lines: int = 3) -> Case:
    return Case((*TRAIN, "--input"), expected_words, prepare, max_lines)


TABLES = {
    "missing": faulty_table(file_named("nowhere.h5"), "nowhere.h5", "no such file"),
    "not HDF5": faulty_table(text("notes.h5", "only words"), "notes.h5", "not an HDF5 file"),
    "empty file": faulty_table(text("empty.h5", ""), "empty.h5", "not an HDF5 file"),
    "truncated": faulty_table(truncated_table, "cut.h5", "truncated", "create it again"),
    "directory": faulty_table(file_named("run"), "run", "is a directory"),
    "path below a file": faulty_table(file_named("config.json/table.h5"), "config.json/table.h5", "no such file"),
    "too few rows": faulty_table(table(X[:29]), "other.h5", "29 rows", "at least 30"),
    "one usable column": faulty_table(
        one_usable_column, "other.h5", "only 1 of 12 columns", "11 constant", "two", max_lines=4
    ),
    "all missing": faulty_table(table(np.full_like(X, np.nan)), "other.h5", "no finite value", max_lines=4),
    "rank 3": faulty_table(table(X.reshape(40, 2, 12)), "other.h5", "(40, 2, 12)", "[N, D]"),
    "rank 1": faulty_table(table(X[:, 0], None), "other.h5", "(80,)", "[N, D]"),
    "repeated names": faulty_table(table(X, ["twice", "twice", *NAMES[2:]]), "repeat: twice", "once"),
    "names too short": faulty_table(table(X, NAMES[:7]), "7 feature_names", "each of 12 columns"),
    "text values": faulty_table(table(np.full((40, 12), b"word")), "contains text", "real numbers"),
    "complex values": faulty_table(table(X.astype(complex)), "complex numbers", "real numbers"),
    "no rows": faulty_table(table(X[:0]), "other.h5", "has no rows"),
    "another feature family": faulty_table(
        table(X, family="other"), "no group /features/sdf", "one of the existing groups: other"
    ),
    "another feature type": faulty_table(
        table(X.reshape(40, 2, 12), feature_type="per_trajectory"),
        "/features/sdf/aggregated",
        "existing groups: per_trajectory",
    ),
    "missing label": Case(
        (*TRAIN, "--set", "split_by=labels/solver", "--input"),
        ("other.h5", "no label /labels/solver", "equation"),
        table(X, labels={"equation": np.arange(80)}),
    ),
    "no validation rows": Case((*TRAIN, "--set", "validation_fraction=0.001"), ("table.h5", "no validation rows")),
}


def faulty_mapping(content: Any, *expected_words: str, max_lines: int = 3) -> Case:
    def command(workspace: Workspace) -> str:
        workspace.text("map.json", content)
        return "--verbose"

    return Case((*TRAIN, *MAPPED), ("map.json", *expected_words), command, max_lines)


MAPPINGS = {
    "unknown column": faulty_mapping({"one": [*NAMES, "ghost"]}, "unknown columns: ghost", "correct the mapping"),
    "repeated column": faulty_mapping({"one": NAMES, "two": [NAMES[3]]}, f"more than once: {NAMES[3]} (in one and two"),
    "columns without a category": faulty_mapping(
        {"one": NAMES[:5]}, "7 columns are in no category", "hybrid", max_lines=4
    ),
    "invalid category name": faulty_mapping({"one": NAMES, "a/b": []}, "'a/b' cannot be used"),
    "invalid JSON": faulty_mapping("{", "cannot be read as JSON"),
    "missing mapping file": Case((*TRAIN, *MAPPED), ("map.json", "no such mapping file")),
}

OPTION_VALUES = {
    "negative epochs": Case((*TRAIN, "--epochs", "-1"), ("epochs", "-1", "--epochs", "at least 0")),
    "set without =": Case((*TRAIN, "--set", "epochs"), ("--set epochs", "KEY=VALUE")),
    "unknown key": Case((*TRAIN, "--set", "epoch=3"), ("epoch", "did you mean epochs?")),
    "two invalid values": Case(
        (*TRAIN, "--set", "epochs=0.5", "--batch-size", "0"), ("2 problems", "epochs: got 0.5", "batch_size: got 0")
    ),
    "NaN learning rate": Case((*TRAIN, "--learning-rate", "nan"), ("learning_rate", "--learning-rate")),
    "zero time limit": Case((*TRAIN, "--max-time", "0"), ("--max-time", "above 0")),
    "NaN time limit": Case((*TRAIN, "--max-time", "nan"), ("--max-time", "above 0")),
    "unknown device": Case((*TRAIN, "--device", "gpu"), ("device", "gpu", "auto, cpu, cuda or cuda:N")),
    "key with a colon": Case((*TRAIN, "--set", "epochs: 1=2"), ("epochs: 1", "unknown key")),
    "levels 4": Case((*DECODE, "tokens.h5", "--levels", "4"), ("--levels is 4", "1, 2 or 3")),
    "levels 0": Case((*DECODE, "tokens.h5", "--levels", "0"), ("--levels is 0", "1, 2 or 3")),
    "zero encoding batch size": Case((*ENCODE, "table.h5", "--batch-size", "0"), ("--batch-size is 0", "at least 1")),
    "negative stability": Case((*DISCOVER, "new.json", "--stability", "-1"), ("--stability is -1", "0 or more")),
    "row out of range": Case(("inspect", "table.h5", "--row", "80"), ("--row is 80", "0 to 79")),
    "negative row": Case(("inspect", "tokens.h5", "--row", "-1"), ("--row is -1", "0 to 79")),
    "unknown feature family": Case(("inspect", "table.h5", "--family", "no"), ("no group /features/no", "sdf")),
}

FILES = {
    "feature table instead of tokens": Case((*DECODE, "table.h5"), ("table.h5", "not a token file")),
    "tokens missing": Case((*DECODE, "nowhere.h5"), ("nowhere.h5", "no such file")),
    "dataset missing": Case((*ENCODE, "nowhere.h5"), ("nowhere.h5", "no such file")),
    "inspect missing": Case(("inspect", "nowhere.h5"), ("nowhere.h5", "no such file")),
    "inspect a text file": Case(("inspect", "config.json"), ("config.json", "not a checkpoint")),
    "config missing": Case(("train-vqvae", "--config", "none.json"), ("none.json", "no such file")),
    "config directory": Case(("train-vqvae", "--config", "run"), ("run", "is a directory")),
    "config below file": Case(("train-vqvae", "--config", "config.json/no"), ("config.json/no", "cannot be read")),
    "config device": Case(CONFIG[:2], ("/dev/zero", "is not a regular file"), file_named("/dev/zero")),
    "model device": Case(
        ("decode-tokens", "--tokens", "tokens.h5", "--output", "new.h5", MODEL[0]),
        ("/dev/zero", "is not a regular file"),
        file_named("/dev/zero"),
    ),
    "broken JSON": Case(CONFIG[:2], ("broken.json", "broken JSON in line 1"), text("broken.json", '{"epochs": 1,')),
    "broken YAML": Case(CONFIG[:2], ("broken.yaml", "broken YAML"), text("broken.yaml", "epochs: [1")),
    "list instead of a mapping": Case(CONFIG[:2], ("list.yaml", "a list", "mapping of keys"), text("list.yaml", "- 1")),
    "two invalid keys": Case(
        CONFIG[:2],
        ("faulty.json", "2 problems", 'epochs: got "many"', "learning_rate?"),
        text("faulty.json", {"epochs": "many", "lerning_rate": 1}),
    ),
}

UNWRITABLE = {
    "/proc/spinlock/out": ("/proc/spinlock", "cannot be written"),
    "table.h5/out": ("table.h5/out", "is a file, not a directory"),
    "n" * 300: ("nnn", "too long"),
}


def unfinished_run(workspace: Workspace) -> str:
    shutil.copytree(workspace.path / "run", workspace.path / "odd")
    for name in ("best_model.pt", "last.pt"):
        content = torch.load(workspace.path / "odd" / name, weights_only=True)
        torch.save(content | {"metrics": {}}, workspace.path / "odd" / name)
    return "odd"


def table_in_the_run(workspace: Workspace) -> str:
    shutil.copy(workspace.path / "table.h5", workspace.path / "run/last.pt")
    return "run/last.pt"


def table_below_the_run(workspace: Workspace) -> str:
    (workspace.path / "run/data").mkdir()
    shutil.copy(workspace.path / "table.h5", workspace.path / "run/data/table.h5")
    return "run/data/table.h5"


def pipe(workspace: Workspace) -> str:
    """A link to a pipe outside the directory, of which the snapshot reads every file."""
    outside = workspace.path.with_suffix(".pipe")
    os.mkfifo(outside)
    (workspace.path / "pipe").symlink_to(outside)
    return "pipe"


WRITERS = {
    "train": CONFIG,
    "encode": ("encode-to-tokens", *MODEL, "--dataset", "table.h5"),
    "decode": ("decode-tokens", *MODEL, "--tokens", "tokens.h5"),
    "discover": DISCOVER[:-1],
}
OUTPUTS = (
    {
        f"{writer} to {output[:12]}": Case((*command, "--output", output), expected_words)
        for writer, command in WRITERS.items()
        for output, expected_words in UNWRITABLE.items()
    }
    | {
        f"{writer} to the stream {output}": Case(
            (*WRITERS[writer], "--overwrite", "--output", output), (f"{output}: is not a regular file",), max_lines=1
        )
        for writer, output in (
            *(
                ("encode", output)
                for output in ("/dev/stdout", "/dev/stderr", "/dev/fd/1", "/proc/self/fd/1", "/dev/null")
            ),
            ("decode", "/dev/stdout"),
            ("discover", "/dev/stdout"),
        )
    }
    | {
        "output is a pipe": Case(
            (*WRITERS["encode"], "--overwrite", "--output"), ("pipe: is not a regular file",), pipe, max_lines=1
        ),
        "unfinished run exists": Case(
            (*CONFIG, "--output"), ("odd: already contains a run", "--resume-from", "--overwrite"), unfinished_run
        ),
        "a file of the run is the configuration": Case(
            ("train-vqvae", "--overwrite", "--config"),
            ("run/config.yaml: is also the input",),
            file_named("run/config.yaml"),
        ),
        "a file of the run is the configuration, without --overwrite": Case(
            ("train-vqvae", "--config"), ("run/config.yaml: is also the input",), file_named("run/config.yaml")
        ),
        "a file of the run is the dataset": Case(
            (*CONFIG, "--overwrite", "--input"), ("run/last.pt: is also the input",), table_in_the_run
        ),
        "a finished run contains the dataset": Case(
            (*CONFIG, "--input"), ("run: already contains a run",), table_below_the_run
        ),
        "output is the model": Case(
            (*WRITERS["encode"], "--output", "run/best_model.pt", "--overwrite"), ("best_model.pt: is also the input",)
        ),
        "last.pt exists": Case(
            (*TRAIN, "--set", "checkpoint_dir=run"),
            (
                "run: already contains a run",
                "(last.pt)",
            ),
        ),
        "token file exists": Case(
            (*WRITERS["encode"], "--output", "tokens.h5"), ("tokens.h5: exists already", "--overwrite")
        ),
        "output is the token file": Case(
            (*WRITERS["decode"], "--output", "tokens.h5", "--overwrite"), ("is also the input",)
        ),
        "output is the dataset": Case(
            (*WRITERS["encode"], "--output", "table.h5", "--overwrite"), ("is also the input",)
        ),
        "output is a directory": Case(
            (*WRITERS["encode"], "--output", "run", "--overwrite"), ("run: ", "is a directory")
        ),
        "output is the feature table": Case((*DISCOVER, "table.h5", "--overwrite"), ("table.h5: is also the input",)),
    }
)


class CodeInPickle:
    """Creates a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.target,)


def changed_checkpoint(**changes: Any) -> PrepareFile:
    """The checkpoint with changed parts. Parts that are None are removed."""

    def prepare(workspace: Workspace) -> str:
        content = torch.load(workspace.path / "run/best_model.pt", weights_only=True) | changes
        torch.save({key: value for key, value in content.items() if value is not None}, workspace.path / "odd.pt")
        return "odd.pt"

    return prepare


def damaged_checkpoint(change: Callable[[bytearray], object]) -> PrepareFile:
    """The checkpoint with changed bytes."""

    def prepare(workspace: Workspace) -> str:
        data = bytearray((workspace.path / "run/best_model.pt").read_bytes())
        change(data)
        (workspace.path / "odd.pt").write_bytes(data)
        return "odd.pt"

    return prepare


def keep_first_half(data: bytearray) -> None:
    del data[len(data) // 2 :]


def flip_middle_byte(data: bytearray) -> None:
    data[len(data) // 2] ^= 0xFF


def pickle_with_code(workspace: Workspace) -> str:
    content = {"kind": "spinlock-vqvae", "x": CodeInPickle(workspace.path / "ran")}
    (workspace.path / "odd.pt").write_bytes(pickle.dumps(content))
    return "odd.pt"


def checkpoint_with_code(workspace: Workspace) -> str:
    return changed_checkpoint(cleaner=CodeInPickle(workspace.path / "ran"))(workspace)


def checkpoint_with_wrong_shape(workspace: Workspace) -> str:
    weights = torch.load(workspace.path / "run/best_model.pt", weights_only=True)["model_state_dict"]
    return changed_checkpoint(model_state_dict=weights | {next(iter(weights)): torch.zeros(3)})(workspace)


def faulty_checkpoint(prepare: PrepareFile, *expected_words: str) -> Case:
    return Case(
        ("encode-to-tokens", "--dataset", "table.h5", "--output", "new.h5", "--vqvae-model"), expected_words, prepare
    )


CHECKPOINTS = {
    "missing model": faulty_checkpoint(file_named("nowhere.pt"), "nowhere.pt", "no such checkpoint"),
    "model directory": faulty_checkpoint(file_named("run"), "run", "is a directory"),
    "not a model": faulty_checkpoint(file_named("table.h5"), "table.h5", "not a checkpoint", "best_model.pt"),
    "truncated model": faulty_checkpoint(damaged_checkpoint(keep_first_half), "odd.pt", "truncated"),
    "damaged model": faulty_checkpoint(damaged_checkpoint(flip_middle_byte), "odd.pt", "damaged"),
    "newer model": faulty_checkpoint(
        changed_checkpoint(format_version=99), "odd.pt", "format version 99", "expected version 1;"
    ),
    "checkpoint of another program": faulty_checkpoint(
        changed_checkpoint(kind="else"), "odd.pt", "not a Spinlock checkpoint"
    ),
    "incomplete model": faulty_checkpoint(changed_checkpoint(cleaner=None), "odd.pt", "lacks cleaner"),
    "invalid cleaner": faulty_checkpoint(changed_checkpoint(cleaner={"names": 3}), "odd.pt", "damaged: cleaner"),
    "invalid model_spec": faulty_checkpoint(changed_checkpoint(model_spec={}), "odd.pt", "damaged: model_spec"),
    "weights of wrong shape": faulty_checkpoint(checkpoint_with_wrong_shape, "odd.pt", "damaged: model_state_dict"),
    "malicious pickle": faulty_checkpoint(pickle_with_code, "odd.pt", "not a checkpoint"),
    "malicious model": faulty_checkpoint(checkpoint_with_code, "odd.pt", "could run code", "not loaded"),
    "malicious resume": Case(
        (*TRAIN, "--resume-from"), ("odd.pt", "could run code", "not loaded"), checkpoint_with_code
    ),
}


def tokens_of_another_model(workspace: Workspace) -> str:
    with h5py.File(workspace.path / "tokens.h5", "r+") as file:
        file.attrs["model_sha256"] = "0" * 64
    return "tokens.h5"


def tokens_out_of_range(workspace: Workspace) -> str:
    with h5py.File(workspace.path / "tokens.h5", "r+") as file:
        file["tokens/indices"][5, 1] = 200
    return "tokens.h5"


def empty_directory(workspace: Workspace) -> str:
    (workspace.path / "nothing").mkdir()
    return "nothing"


MISMATCHES = {
    "other columns": Case(ENCODE, ("other.h5", "1 of 12 columns are missing: a_0"), table(X, ["x", *NAMES[1:]])),
    "fewer columns": Case(ENCODE, ("other.h5", "2 of 12", "missing: c_10, c_11"), table(X[:, :10], NAMES[:10])),
    "missing feature family of the model": Case(
        ENCODE, ("no group /features/sdf", "existing groups: other"), table(X, family="other")
    ),
    "tokens of another model": Case(DECODE, ("tokens.h5", "another model", "encode again"), tokens_of_another_model),
    "token too large": Case(DECODE, ("tokens.h5", "of row 5 is 200", "expected 0 to"), tokens_out_of_range),
    "nothing to resume": Case((*TRAIN, "--resume-from"), ("nothing", "neither last.pt nor best_"), empty_directory),
    "resume with another loss weight": Case(
        (*TRAIN, "--resume-from", "run", "--set", "topo_weight=0.3"),
        ("topo_weight (was 0.45, is 0.3)", "undo", "new run"),
    ),
    "resume with another table": Case(
        (*TRAIN, "--resume-from", "run", "--input"), ("other.h5", "another dataset"), table(2 * X)
    ),
}

FULL_DISKS = {
    f"{writer} to {target} of {disk} bytes": Case(
        (*WRITERS[writer], "--output", target, "--overwrite"),
        (target, "beyond the allowed size"),
        disk=disk,
        max_lines=20,
    )
    for writer, target, disks in (
        ("train", "run", (5_000, 30_000)),
        ("train", "deep/new", (20_000,)),
        ("encode", "tokens.h5", (0, 3_000, 11_000)),
        ("decode", "other.h5", (0, 3_000)),
        ("discover", "map.json", (0, 500)),
    )
    for disk in disks
} | {
    # The caches of a library decide whether it needs a temporary file first, so two messages are possible.
    "no temporary files": Case(TRAIN, ("error: ",), disk=0, max_lines=20)
}

GPUS = {
    f"{writer} without a GPU": Case((*WRITERS[writer], *output, "--device", "cuda"), ("cuda", "--device cpu"))
    for writer, output in (
        ("train", ("--output", "new")),
        ("encode", ("--output", "new.h5")),
        ("decode", ("--output", "new.h5")),
    )
    if not torch.cuda.is_available()
}

CASES = TABLES | MAPPINGS | OPTION_VALUES | FILES | OUTPUTS | CHECKPOINTS | MISMATCHES | FULL_DISKS | GPUS


@pytest.fixture(scope="module")
def attempts(
    request: pytest.FixtureRequest, trained: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Attempt]]]:
    """Runs the selected cases, two at a time, each in its own directory."""

    def attempt(name: str) -> Attempt:
        folder = tmp_path_factory.mktemp("case")
        shutil.copytree(trained.path, folder, dirs_exist_ok=True)
        result = CASES[name].attempt(replace(trained, path=folder))
        shutil.rmtree(folder)
        return result

    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    names = [item.callspec.params["name"] for item in items if item.originalname == test_bad_input_is_refused.__name__]
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(attempt, name) for name in names}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused(name: str, attempts: dict[str, Future[Attempt]]) -> None:
    attempts[name].result().check_refused(*CASES[name].expected_words, max_lines=CASES[name].max_lines)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let another process open the file for writing."""
    code = "import h5py, sys; file = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield
        process.stdin.close()


@pytest.mark.parametrize(
    ("command", "name"),
    [(TRAIN, "table.h5"), ((*ENCODE, "table.h5"), "table.h5"), ((*DECODE, "tokens.h5"), "tokens.h5")],
    ids=lambda value: str(value[0]),
)
def test_a_file_that_another_process_writes_is_refused(
    workspace: Workspace, command: tuple[str, ...], name: str
) -> None:
    with locked(workspace.path / name):
        attempt = workspace.attempt(*command)
    attempt.check_refused(name, "locked", "wait")


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("train-vqvae",),
        (*TRAIN, "--epochs", "many"),
        (*TRAIN, "--no-such-option"),
        (*TRAIN, "surplus"),
        (*DECODE, "tokens.h5", "--levels", "two"),
        ("inspect",),
    ],
)
def test_an_invalid_command_line_prints_the_usage(workspace: Workspace, arguments: tuple[str, ...]) -> None:
    before = workspace.snapshot()
    result = workspace.run(*arguments)
    assert result.returncode == 2
    assert "Usage" in result.stderr
    assert "Traceback" not in result.stderr
    assert workspace.snapshot() == before


def test_debug_shows_the_traceback(workspace: Workspace) -> None:
    result = workspace.run("--debug", *TRAIN, "--input", "nowhere.h5")
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "nowhere.h5: no such file" in result.stderr
