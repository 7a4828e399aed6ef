"""A run that is killed or stopped and then resumed gives exactly the result of an uninterrupted run."""

import shlex
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cli.workspace import Workspace, printed_command

EPOCHS, STEPS = 5, 2
SETTINGS = {"epochs": EPOCHS, "val_every_n_epochs": 2, "random_seed": 43}  # each validation has a lower score
CONFIG = ("train-vqvae", "--config", "config.json")
TEMPORARIES = ".spinlock-*.tmp"

HOOK = """
import atexit, importlib, os, sys
import spinlock.training.trainer

def at(module, owner, name, number, action):
    holder = getattr(importlib.import_module(module), owner) if owner else importlib.import_module(module)
    original, calls = getattr(holder, name), []
    def hooked(*arguments, **named):
        calls.append(name)
        if len(calls) == number:
            action()
        return original(*arguments, **named)
    setattr(holder, name, hooked)
    return calls

steps = at("spinlock.training.trainer", "Trainer", "_optimize", 0, None)
atexit.register(lambda: print(f"steps: {len(steps)}", file=sys.stderr))
number, function, signal_number = %r, %r, %r
if function:
    at(*function, number, lambda: os.kill(os.getpid(), signal_number))
"""
"""Code that sends the process a signal at the n-th call of a function and counts the optimizer steps."""

STEP = ("spinlock.training.trainer", "Trainer", "_optimize")
VALIDATION = ("spinlock.training.validation", "Validator", "__call__")
WRITE = ("spinlock.io.atomic.writing", "", "_write_synced")
RENAME = ("spinlock.io.atomic.temporaries", "Temporary", "publish")
CLEAN = ("spinlock.training.plan", "", "fit_training_data")
ENCODE = ("spinlock.encoding.row_codec", "RowCodec", "encode")


def hook(function: tuple[str, str, str] | None = None, number: int = 0, signal_name: str = "SIGKILL") -> str:
    """The code of the hook, which runs before the command."""
    return HOOK % (number, function, int(getattr(signal, signal_name)))


@dataclass(frozen=True)
class Kill:
    """SIGKILL at the n-th call of a function. ``saved`` is the saved optimizer step, None if there is no checkpoint."""

    function: tuple[str, str, str]
    number: int
    saved: int | None
    leftovers: bool = False


KILLS = {
    "before the first checkpoint": Kill(WRITE, 1, None, leftovers=True),
    "in the first epoch": Kill(STEP, 2, 0),
    "in the first checkpoint, before a file is renamed": Kill(RENAME, 1, None, leftovers=True),
    "in the first checkpoint, after one file is renamed": Kill(RENAME, 2, 0, leftovers=True),
    "in the second checkpoint, while files are written": Kill(WRITE, 9, 0, leftovers=True),
    "in the second checkpoint, after one file is renamed": Kill(RENAME, 8, 2 * STEPS, leftovers=True),
    "in validation": Kill(VALIDATION, 3, 2 * STEPS),
    "in the middle of an epoch": Kill(STEP, 3 * STEPS + 2, 2 * STEPS),
    "in the last checkpoint": Kill(RENAME, 22, EPOCHS * STEPS, leftovers=True),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """An uninterrupted run. Tests must not change it."""
    workspace = Workspace.make(tmp_path_factory.mktemp("finished"), **SETTINGS)
    workspace.run_checked(*CONFIG)
    return workspace


@dataclass(frozen=True)
class Killed:
    """A killed and resumed run: its temporary files after the kill, and the steps of the second process."""

    workspace: Workspace
    returncode: int
    leftovers: int
    saved: int | None
    steps: int
    stderr: str


def kill_and_resume(folder: Path, kill: Kill) -> Killed:
    workspace = Workspace.make(folder, **SETTINGS)
    first = workspace.run(*CONFIG, preparation=hook(kill.function, kill.number))
    leftovers = len(list((folder / "run").glob(TEMPORARIES)))
    files = [path for name in ("best_model.pt", "last.pt") if (path := folder / "run" / name).exists()]
    saved = max(
        (torch.load(path, weights_only=True)["training_state"]["progress"]["step"] for path in files), default=None
    )
    resume = ("--resume-from", "run") if files else ()
    second = workspace.run(*CONFIG, *resume, preparation=hook())
    assert second.returncode == 0, second.stderr
    steps = int(second.stderr.rpartition("steps: ")[2])
    return Killed(workspace, first.returncode, leftovers, saved, steps, second.stderr)


@pytest.fixture(scope="module")
def killed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Killed]]]:
    """Runs the selected kills, two at a time."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    names = [
        item.callspec.params["name"]
        for item in items
        if item.originalname == test_a_killed_run_resumes_to_the_uninterrupted_result.__name__
    ]
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(kill_and_resume, tmp_path_factory.mktemp("killed"), KILLS[name]) for name in names}
        pool.shutdown(cancel_futures=True)


NOT_COMPARED = {
    "history.seconds",
    "provenance.started",
    "provenance.command_line",
    "config.resume_from",
    "requested_config.resume_from",
    "training_state.random.torch",
}
"""Parts of a checkpoint that record time and command, and the state of the unused global generator."""


def differences(one: Any, other: Any, at: str = "") -> set[str]:
    """Paths at which two nested values are not equal bit for bit."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return set().union(*(differences(one[key], other[key], f"{at}.{key}" if at else str(key)) for key in one))
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return set().union(*(differences(a, b, at) for a, b in zip(one, other, strict=True)))
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        same = one.dtype == other.dtype and one.shape == other.shape
        return set() if same and one.numpy().tobytes() == other.numpy().tobytes() else {at}
    return set() if type(one) is type(other) and one == other else {at}


def assert_same_result(workspace: Workspace, finished: Workspace) -> None:
    """Checkpoints, history and other files equal those of the uninterrupted run, except for times."""
    for name in ("best_model.pt", "last.pt"):
        one, other = (torch.load(path / "run" / name, weights_only=True) for path in (finished.path, workspace.path))
        assert len(one["model_state_dict"]) > 10
        assert one["optimizer_state_dict"]["state"] or name == "best_model.pt"  # epoch 0 can be the best
        assert differences(one, other) <= NOT_COMPARED
    for name in ("config.yaml", "normalization_stats.npz"):
        assert (finished.path / "run" / name).read_bytes() == (workspace.path / "run" / name).read_bytes()
    one, other = ([record | {"seconds": None} for record in at.history()] for at in (finished, workspace))
    assert one == other
    assert [record["epoch"] for record in other] == list(range(EPOCHS + 1))
    assert not list((workspace.path / "run").glob(".spinlock-*"))


@pytest.mark.parametrize("name", KILLS)
def test_a_killed_run_resumes_to_the_uninterrupted_result(
    name: str, killed: dict[str, Future[Killed]], finished: Workspace
) -> None:
    kill, run = KILLS[name], killed[name].result()
    assert run.returncode == -9
    assert run.saved == kill.saved
    assert bool(run.leftovers) == kill.leftovers
    assert run.steps == EPOCHS * STEPS - (kill.saved or 0)
    assert_same_result(run.workspace, finished)


def test_a_kill_while_replacing_another_run_keeps_its_files(tmp_path: Path, trained: Workspace) -> None:
    shutil.copytree(trained.path, tmp_path, dirs_exist_ok=True)
    workspace = Workspace(tmp_path)
    before = workspace.snapshot()
    assert workspace.run(*CONFIG, "--overwrite", preparation=hook(RENAME, 1)).returncode == -9
    assert list((tmp_path / "run").glob(TEMPORARIES))
    foreign = tmp_path / "run" / ".spinlock-notes.tmp"
    foreign.write_text("not ours")
    assert before.items() <= workspace.snapshot().items()
    workspace.run_checked(*CONFIG, "--overwrite")
    assert list((tmp_path / "run").glob(TEMPORARIES)) == [foreign]


def run_resume_command(workspace: Workspace, stderr: str) -> str:
    """Run the command that an interrupted run printed, and return its stderr."""
    program, *arguments = shlex.split(printed_command(stderr))
    assert program == "spinlock"
    return workspace.run_checked(*arguments).stderr


@pytest.mark.parametrize(
    ("signal_name", "step", "epoch", "extra"),
    [
        ("SIGINT", 2 * STEPS + 1, 2, ()),
        ("SIGTERM", 3 * STEPS, 3, ("--output", "run", "--overwrite")),
        ("SIGUSR1", 1, 0, ("--set", "checkpoint_dir=the states")),
        ("SIGHUP", STEPS, 1, ()),
    ],
)
def test_a_signal_saves_the_state_and_prints_the_resume_command(
    tmp_path: Path, finished: Workspace, signal_name: str, step: int, epoch: int, extra: tuple[str, ...]
) -> None:
    workspace = Workspace.make(tmp_path, **SETTINGS)
    stopped = workspace.run(*CONFIG, *extra, preparation=hook(STEP, step, signal_name))
    assert stopped.returncode == 130
    assert f"stopped after epoch {epoch}: {signal_name} was received; the state is saved" in stopped.stderr
    assert len(workspace.history()) == epoch + 1
    rest = f", at step {step % STEPS} of epoch {epoch + 1}" if step % STEPS else ""
    assert f"after epoch {epoch} of {EPOCHS}{rest}" in run_resume_command(workspace, stopped.stderr)
    if "--set" in extra:
        for content in (torch.load(tmp_path / "the states" / "last.pt", weights_only=True),):
            assert content["training_state"]["progress"]["epoch"] == EPOCHS
        return
    assert_same_result(workspace, finished)


def test_a_time_limit_saves_the_state_and_prints_the_resume_command(tmp_path: Path, trained: Workspace) -> None:
    workspace = Workspace.make(tmp_path)
    stopped = workspace.run(*CONFIG, "--max-time", "0.00001")
    assert stopped.returncode == 130
    assert "the time limit of 0.0006 s is reached; the state is saved" in stopped.stderr
    assert "after epoch 0 of 1, at step 1 of epoch 1" in run_resume_command(workspace, stopped.stderr)
    for name in ("best_model.pt", "last.pt"):
        one, other = (torch.load(at.path / "run" / name, weights_only=True) for at in (trained, workspace))
        assert differences(one, other) <= NOT_COMPARED


def test_a_run_stopped_twice_resumes_from_its_last_checkpoint(tmp_path: Path, finished: Workspace) -> None:
    workspace = Workspace.make(tmp_path, **SETTINGS)
    best = ("--resume-from", "run/best_model.pt")
    assert workspace.run(*CONFIG, preparation=hook(STEP, 2 * STEPS + 1, "SIGINT")).returncode == 130
    assert workspace.run(*CONFIG, *best, preparation=hook(STEP, STEPS, "SIGINT")).returncode == 130
    third = workspace.run(*CONFIG, *best, preparation=hook())
    assert "last.pt of the same run is later than" in third.stderr
    assert third.stderr.endswith(f"steps: {EPOCHS * STEPS - 3 * STEPS - 1}\n")
    assert_same_result(workspace, finished)


def test_more_epochs_extend_a_finished_run(tmp_path: Path, finished: Workspace) -> None:
    shutil.copytree(finished.path, tmp_path, dirs_exist_ok=True)
    workspace = Workspace(tmp_path)
    longer = workspace.run(*CONFIG, "--resume-from", "run", "--epochs", str(EPOCHS + 2), preparation=hook())
    assert longer.returncode == 0
    assert f"changed: epochs {EPOCHS} -> {EPOCHS + 2}" in longer.stderr
    assert longer.stderr.endswith(f"steps: {2 * STEPS}\n")
    assert workspace.history()[: EPOCHS + 1] == finished.history()
    rates = [record["learning_rate"] for record in workspace.history()]
    assert len(rates) == EPOCHS + 3
    assert rates[-1] == rates[-2] <= rates[-3]


def test_resume_in_another_directory_copies_the_best_model(tmp_path: Path, finished: Workspace) -> None:
    shutil.copytree(finished.path, tmp_path, dirs_exist_ok=True)
    workspace = Workspace(tmp_path)
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    foreign = torch.load(tmp_path / "other/best_model.pt", weights_only=True)
    foreign["provenance"]["started"] = "another day"
    foreign["model_state_dict"] = {name: torch.zeros_like(x) for name, x in foreign["model_state_dict"].items()}
    torch.save(foreign, tmp_path / "other/best_model.pt")
    before = (tmp_path / "run/best_model.pt").read_bytes()
    workspace.attempt(*CONFIG, "--resume-from", "run", "--output", "other").check_refused(
        "other: already contains a run"
    )
    workspace.run_checked(*CONFIG, "--resume-from", "run", "--output", "other", "--overwrite")
    assert (tmp_path / "run/best_model.pt").read_bytes() == before
    one, other = (torch.load(tmp_path / run / "best_model.pt", weights_only=True) for run in ("run", "other"))
    assert not differences(one["model_state_dict"], other["model_state_dict"])
    assert not differences(one["metrics"], other["metrics"])


@pytest.mark.parametrize(
    ("command", "signal_name", "exit_code"),
    [
        ("train", "SIGINT", 130),
        ("encode", "SIGTERM", 130),
        ("train", "SIGHUP", 129),
        ("encode", "SIGUSR2", 140),
        ("encode", "SIGXCPU", 152),
    ],
)
def test_a_signal_before_the_first_save_writes_nothing(
    workspace: Workspace, command: str, signal_name: str, exit_code: int
) -> None:
    encode = ("encode-to-tokens", "--dataset", "table.h5", "--vqvae-model", "run/best_model.pt", "--output", "new.h5")
    arguments, where = ((*CONFIG, "--output", "new"), CLEAN) if command == "train" else (encode, ENCODE)
    before = workspace.snapshot()
    stopped = workspace.run(*arguments, preparation=hook(where, 1, signal_name))
    assert stopped.returncode == exit_code, stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert workspace.snapshot() == before
