"""Runs that several processes train together. ``torchrun`` starts this program with a folder for ``rank0.json``, ..."""

import json
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from spinlock.checkpoint.file import load_checkpoint
from spinlock.config import VQVAEConfig
from spinlock.preprocessing.training_data import read_table
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.runtime.rendezvous import process_group
from spinlock.training import steps
from spinlock.training.fit import start
from spinlock.training.losses.objective import LossTerms
from spinlock.training.plan import make_plan
from spinlock.training.resuming import resume_run
from spinlock.training.run import Run
from tests.training.runs import EAGER, config, train_in_memory

CODES = [{"latent_dim": 4, "num_codes": 24}] * 3

RESETS = {"factors": CODES, "ema_decay": 0.5, "dead_code_threshold": 60.0, "dead_code_reset_interval": 3}

CASES: dict[str, dict[str, Any]] = {
    "seed 0": {"random_seed": 0},
    "seed 1": {"random_seed": 1},
    "seed 2": {"random_seed": 2},
    "resets": RESETS,
    "learned codes": {"use_ema": False},
    "odd batches": {"batch_size": 37, "topo_samples": 30},
    "streamed": {"max_table_mb": 0.02, "batch_size": 37},
    "joint": {"assignment": "joint", "epochs": 20},
    "random initialization": {"warm_start": False},
}
"""{case: settings}. Each case is trained for 8 epochs of a few steps, unless it sets ``epochs``."""


def settings(folder: Path, case: str) -> VQVAEConfig:
    """The configuration of a case."""
    return config(folder, **({"epochs": 8} | CASES[case]))


def train_case(chosen: VQVAEConfig, group: ProcessGroup = SINGLE) -> dict[str, Any]:
    """Train a new run and return its :func:`outcome`."""
    plan = make_plan(read_table(chosen), chosen, group=group)
    return outcome(start(replace(plan, compile_plan=EAGER), command_line="test", group=group))


def resume_case(path: Path, chosen: VQVAEConfig, group: ProcessGroup = SINGLE) -> dict[str, Any]:
    """Resume a run from a checkpoint and return its :func:`outcome`."""
    return outcome(resume_run(load_checkpoint(path), read_table(chosen), chosen, group=group))


def outcome(run: Run) -> dict[str, Any]:
    """Train a run; its first 20 losses, final quality, hash of all weights and number of replaced codes."""
    losses: list[float] = []
    objective, joint = steps.objective, steps.JointStep.losses

    def recording(*args: Any, **others: Any) -> LossTerms:
        terms = objective(*args, **others)
        losses.append(terms.total.item())
        return terms

    def joint_recording(*args: Any) -> LossTerms:
        terms = joint(*args)
        losses.append(terms.total.item())
        return terms

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "objective", recording)
        patch.setattr(steps.JointStep, "losses", joint_recording)
        train_in_memory(run)
    weights = sha256()
    for tensor in run.state.model.state_dict().values():
        weights.update(tensor.numpy().tobytes())
    return {
        "losses": losses[:20],
        "quality": run.state.history.columns["val_quality"][-1],
        "weights": weights.hexdigest(),
        "resets": run.state.progress.resets_total,
    }


def main(folder: Path) -> None:
    """Train all cases, and resume a run that one process started."""
    with process_group() as group:
        results = {case: train_case(settings(folder, case), group) for case in CASES}
        longer = settings(folder, "seed 0").model_copy(update={"epochs": 12})
        results["resumed"] = resume_case(folder / "one_process" / "last.pt", longer, group)
        (folder / f"rank{group.rank}.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
