"""Local and joint assignment: how their codes are fitted, tried, compared and described."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spinlock.initialization.network import initialize_closed_form
from spinlock.metrics import rank_quality
from spinlock.model import JointVQVAE, build_network
from spinlock.model.codec import make_codec
from spinlock.preprocessing.holdout import split_holdout
from spinlock.sizing.assignment import (
    ASSIGNMENTS,
    Assignment,
    JointAssignment,
    LocalAssignment,
    assignment_of,
)
from spinlock.sizing.assignment import local as local_module
from spinlock.sizing.assignment.joint import MAX_JOINT_CODES
from spinlock.sizing.trials import Trials
from tests.training.specs import planted_rows, planted_spec

SPECS = {name: replace(planted_spec(), assignment=name) for name in ASSIGNMENTS}


@pytest.fixture(params=list(ASSIGNMENTS))
def assignment(request: pytest.FixtureRequest) -> Assignment:
    return assignment_of(request.param)


def trials(rows: int = 900) -> Trials:
    return Trials(
        planted_rows(rows), split_holdout(np.arange(rows), 0), validation_rows=120, seed=0, to_z_scores=lambda x: x
    )


def test_assignment_of_returns_the_type_of_a_name() -> None:
    assert isinstance(assignment_of("local"), LocalAssignment)
    assert isinstance(assignment_of("joint"), JointAssignment)


def test_a_trial_predicts_the_quality_of_the_initialized_network(assignment: Assignment) -> None:
    table, spec = planted_rows(1100), SPECS[assignment.name]
    rows, held_out = table[:900], table[900:]
    trial = assignment.try_sizes(trials(), spec)
    model = build_network(spec)
    initialize_closed_form(model, rows, ridge=trial.ridge, rows_per_batch=64, seed=0)
    assignment.initialize(model, rows)
    codec = make_codec(model)
    residual = (held_out - codec.decode(codec.encode(held_out).indices)).square().sum()
    assert trial.quality == pytest.approx(1 - float(residual / held_out.square().sum()), abs=0.04)
    restored = codec.decode(codec.encode(held_out).indices)
    ranks = rank_quality(held_out.numpy(), restored.detach().numpy(), rows.numpy())
    assert trial.rank_quality == pytest.approx(ranks, abs=0.04)


def test_the_quality_of_a_trial_is_in_the_units_of_the_target() -> None:
    rows = planted_rows(900)
    trial_rows = Trials(rows, split_holdout(np.arange(900), 0), validation_rows=120, seed=0, to_z_scores=lambda x: x**3)
    restored = trial_rows.held_out * 0.8
    assert trial_rows.normalized_quality(restored) == pytest.approx(1 - 0.2**2, abs=1e-5)
    assert trial_rows.quality(restored) == pytest.approx(1 - (1 - 0.8**3) ** 2, abs=1e-5)


def test_rank_quality_of_a_trial_ignores_a_monotone_transform_of_the_columns() -> None:
    trial_rows, table = trials(), planted_rows(900)
    cubed = Trials(table**3, split_holdout(np.arange(900), 0), validation_rows=120, seed=0, to_z_scores=lambda x: x)
    restored = trial_rows.held_out * 0.8
    value = trial_rows.rank_quality(restored)
    assert 0.5 < value < 1
    assert cubed.rank_quality(restored**3) == pytest.approx(value, abs=0.02)
    assert trial_rows.rank_quality(trial_rows.held_out) == 1


def test_initialization_fits_only_joint_codes(assignment: Assignment) -> None:
    model = build_network(SPECS[assignment.name], seed=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assignment.initialize(model, planted_rows(300))
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    expected = {f"joint.vectors_{levels}" for levels in (1, 2, 3)} if isinstance(model, JointVQVAE) else set()
    assert changed == expected


def test_all_partitions_are_compared_locally_and_only_the_best_jointly() -> None:
    sizes = [(2, 2, 2), (3, 3, 3), (5, 5, 5), (6, 6, 6), (8, 8, 8)]
    local = [planted_spec(num_codes=size) for size in sizes]
    assert None not in LocalAssignment().compare(trials(), local)
    joint = JointAssignment().compare(trials(), [replace(spec, assignment="joint") for spec in local])
    assert [quality is None for quality in joint] == [True, True, False, False, False]


def test_the_number_of_joint_codes_is_limited() -> None:
    assert LocalAssignment().max_codes(500, 100) == 500
    assert JointAssignment().max_codes(500, 100) == MAX_JOINT_CODES // 300
    assert JointAssignment().max_codes(30, 10) == 30
    assert JointAssignment().max_codes(30, 10**6) == 2


def test_joint_network_is_made_for_local_assignment_unless_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, model = planted_rows(400), build_network(SPECS["local"], seed=1)
    joint = LocalAssignment().joint_network(model, rows)
    assert joint is not None
    assert joint.joint.vectors().any()
    assert JointAssignment().joint_network(joint, rows) is joint
    monkeypatch.setattr(local_module, "MAX_COMPARISON_CODES", 3)
    assert LocalAssignment().joint_network(model, rows) is None


def test_training_note_explains_what_joint_assignment_trains() -> None:
    assert LocalAssignment().training_note(0.0) == []
    assert len(JointAssignment().training_note(1.0)) == 1
    assert JointAssignment().training_note(0.0)[-1] == "reconstruction_weight is 0: nothing is trained"
