"""Comparison of local and joint assignment, and locality of joint tokens, against NumPy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spinlock.evaluation.assignment_comparison import compare_assignments
from spinlock.evaluation.final_metrics import final_metrics
from spinlock.model import JointVQVAE
from spinlock.model.codec import make_codec
from spinlock.training.run import Run
from tests.training.runs import config, curved_table, trained_run, write_table_in


def run_with_assignment(folder: Path, assignment: str) -> tuple[Run, dict[str, Any]]:
    write_table_in(folder, curved_table(300))
    run = trained_run(config(folder, validation_fraction=0.3, epochs=2, assignment=assignment))
    return run, final_metrics(run.best_model(), run.plan.data)


@pytest.fixture(scope="module")
def joint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, Any]]:
    return run_with_assignment(tmp_path_factory.mktemp("joint"), "joint")


@pytest.mark.parametrize("assignment", ["local", "joint"])
def test_quality_of_the_assignment_of_the_run_is_its_reconstruction_quality(tmp_path: Path, assignment: str) -> None:
    _, metrics = run_with_assignment(tmp_path, assignment)
    assert metrics[f"quality_{assignment}"] == pytest.approx(metrics["reconstruction_quality"], abs=1e-6)


def test_joint_tokens_have_a_higher_quality_at_the_same_bits(joint: tuple[Run, dict[str, Any]]) -> None:
    metrics = joint[1]
    assert metrics["quality_joint"] > metrics["quality_local"] + 0.005


def test_each_level_of_joint_tokens_increases_the_quality(joint: tuple[Run, dict[str, Any]]) -> None:
    levels = joint[1]["quality_by_level"]
    assert levels == sorted(levels)
    assert levels[0] > 0.3
    assert levels[2] > levels[0] + 0.05


def test_locality_metrics_equal_a_direct_computation(joint: tuple[Run, dict[str, Any]]) -> None:
    run, metrics = joint
    model, rows = run.best_model(), run.plan.data.validation
    assert isinstance(model, JointVQVAE)
    local_tokens, joint_tokens = (
        make_codec(model).encode_local(rows).numpy(),
        make_codec(model).encode(rows).indices.numpy(),
    )
    assert metrics["share_of_equal_tokens"] == pytest.approx((local_tokens == joint_tokens).mean())
    assert 0.1 < metrics["share_of_equal_tokens"] < 0.99
    shares, vectors, start = [], model.joint.vectors().double().numpy(), 0
    for group, sizes in zip(model.spec.groups, model.spec.num_codes, strict=True):
        for vector in vectors[start : start + sum(sizes)]:
            shares.append((vector[list(group)] ** 2).sum() / (vector**2).sum())
        start += sum(sizes)
    assert metrics["energy_within_category"] == pytest.approx(np.mean(shares), rel=1e-6)


def test_compare_assignments_does_not_change_a_local_model(tmp_path: Path) -> None:
    run, _ = run_with_assignment(tmp_path, "local")
    model = run.best_model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first, second = compare_assignments(model, run.plan.data), compare_assignments(model, run.plan.data)
    assert first == second
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
