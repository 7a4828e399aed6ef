"""Small runs in this process: tables, configurations, a recording callback, trained and interrupted runs."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.checkpoint.file import load_checkpoint
from spinlock.config import VQVAEConfig, config_from_mapping
from spinlock.preprocessing.training_data import read_table
from spinlock.runtime.compilation import CompilePlan
from spinlock.training.callbacks import Callback, EpochReport, SaveCheckpoints, StepReport
from spinlock.training.fit import start, train
from spinlock.training.plan import Plan, make_plan
from spinlock.training.resuming import resume_run
from spinlock.training.run import Run
from spinlock.training.trainer import Trainer
from tests.tables import write_table

EAGER = CompilePlan(False, "eager: a test")
CPU = torch.device("cpu")


class Recorder(Callback):
    """Records the reports of a run; ``at_step`` is called after each step with the run and the number of steps.

    ``saves`` holds (epoch, step in the next epoch, whether the epoch is the best) of each save that was due.
    """

    def __init__(self, at_step: Callable[[Run, int], None] | None = None) -> None:
        self.steps: list[StepReport] = []
        self.epochs: list[EpochReport] = []
        self.saves: list[tuple[int, int, bool]] = []
        self.at_step = at_step

    def on_step(self, run: Run, report: StepReport) -> None:
        self.steps.append(report)
        if self.at_step is not None:
            self.at_step(run, len(self.steps))

    def on_epoch(self, run: Run, report: EpochReport) -> None:
        self.epochs.append(report)

    def on_save(self, run: Run, is_best: bool) -> None:
        progress = run.state.progress
        self.saves.append((progress.epoch, progress.step_in_epoch, is_best))


def stop_at(step: int) -> Recorder:
    """A recorder that stops the run after ``step`` steps."""
    return Recorder(lambda run, count: run.stop("asked") if count == step else None)


def curved_table(rows: int = 240, seed: int = 0, noise: float = 0.25) -> NDArray[np.float32]:
    """Linear, tanh and squared columns of U V in four blocks, each with its own two latents U; float32 [rows, 24]."""
    rng, mixing = np.random.default_rng(seed), np.random.default_rng(99)
    blocks = []
    for _ in range(4):
        u = rng.standard_normal((rows, 2))
        linear = u @ mixing.standard_normal((2, 6))
        linear[:, 2:4] = np.tanh(2 * linear[:, 2:4])
        linear[:, 4:] = np.square(linear[:, 4:]) + linear[:, :2]
        blocks.append(linear)
    table = np.concatenate(blocks, axis=1)
    return (table + noise * rng.standard_normal(table.shape)).astype(np.float32)


def mixed_table(rows: int = 1500, noise: float = 0.3) -> NDArray[np.float32]:
    """x = U V + 2 sin(2 U W / sqrt(10)) + noise E with ten latents U and sparse V and W; float32 [rows, 64].

    Categories of columns share latents, so that the tokens of one category help to decode the others.
    """
    rng = np.random.default_rng(5)
    u = rng.standard_normal((rows, 10))
    linear, curved = (rng.standard_normal((10, 64)) * (rng.random((10, 64)) < 0.3) for _ in range(2))
    x = u @ linear + 2 * np.sin(2 * u @ curved / np.sqrt(10))
    return (x + noise * rng.standard_normal(x.shape)).astype(np.float32)


def column_names(columns: int = 24) -> list[str]:
    """b0_x ... b3_w: the block and the column within it."""
    return [f"b{j // 6}_{'xyzuvw'[j % 6]}" for j in range(columns)]


def config(folder: Path, **settings: Any) -> VQVAEConfig:
    """Production values, changed by values of a small run, the paths of the folder, and the ``settings``."""
    small: dict[str, Any] = {
        "input_path": str(folder / "table.h5"),
        "output_dir": str(folder / "out"),
        "embedding_dim": 8,
        "num_categories_auto": 4,
        "epochs": 4,
        "batch_size": 64,
        "val_every_n_epochs": 2,
        "device": "cpu",
    }
    return config_from_mapping(small | settings, where="test")


def write_table_in(folder: Path, x: NDArray[np.float32] | None = None, **kwargs: Any) -> Path:
    """Write the table that :func:`config` names, with the columns of :func:`column_names`."""
    path = folder / "table.h5"
    x = curved_table() if x is None else x
    return write_table(path, x, column_names(x.shape[-1]), **kwargs)


def plan_of(settings: VQVAEConfig) -> Plan:
    """The plan of the table that the configuration names."""
    return make_plan(read_table(settings), settings)


def new_run(settings: VQVAEConfig, compile_plan: CompilePlan = EAGER) -> Run:
    """A new run of the table that the configuration names."""
    return start(replace(plan_of(settings), compile_plan=compile_plan), command_line="test")


def resumed_run(path: Path, settings: VQVAEConfig) -> Run:
    """The run of a checkpoint, resumed with a configuration."""
    return resume_run(load_checkpoint(path), read_table(settings), settings)


def train_in_memory(run: Run, *callbacks: Callback) -> Run:
    """Train a run without final metrics and without files."""
    run.end_reason = Trainer(run, callbacks).train()
    return run


def train_and_save(run: Run, *callbacks: Callback) -> Run:
    """Train a run to its end, or until a callback stops it, and write its files."""
    train(run, [SaveCheckpoints(), *callbacks])
    return run


def trained_run(settings: VQVAEConfig) -> Run:
    """A new run that is trained to its end and writes its files."""
    return train_and_save(new_run(settings))


def six_epochs(folder: Path, **settings: Any) -> VQVAEConfig:
    """A configuration of six epochs of four steps with resets and three validations."""
    return config(folder, **({"epochs": 6, "val_every_n_epochs": 2, "dead_code_reset_interval": 5} | settings))


def interrupted_run(settings: VQVAEConfig, after: int) -> Run:
    """A new run that is stopped after ``after`` steps and writes its files."""
    return train_and_save(new_run(settings), stop_at(after))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of each leaf of nested dictionaries and lists."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}/{index}")
    else:
        yield path, value


def assert_same(first: Any, second: Any) -> None:
    """Nested values are equal bit for bit."""
    one, other = dict(leaves(first)), dict(leaves(second))
    assert one.keys() == other.keys()
    for path, value in one.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, other[path]), path
        else:
            assert value == other[path], path


def assert_same_result(first: Path, second: Path) -> None:
    """Both directories hold the same weights, optimizer, history and best model."""
    one, other = (load_checkpoint(folder / "last.pt").to_dict() for folder in (first, second))
    for key in ("model_state_dict", "optimizer_state_dict", "val_loss", "metrics", "validation_errors"):
        assert_same(one[key], other[key])
    for key in ("weights", "progress", "best_validation"):
        assert_same(one["training_state"][key], other["training_state"][key])
    histories = [{k: v for k, v in content["history"].items() if k != "seconds"} for content in (one, other)]
    assert_same(*histories)
    best = [load_checkpoint(folder / "best_model.pt").weights for folder in (first, second)]
    assert_same(*best)
    written = [json.loads((folder / "training_history.json").read_text()) for folder in (first, second)]
    assert all(written[0][k] == written[1][k] for k in written[0] if k != "seconds")
