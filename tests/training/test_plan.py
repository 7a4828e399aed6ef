"""The plan of a run: it is fitted on training rows only and is reproducible from its resolved configuration."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf

from spinlock.categories.proposal import Proposal
from spinlock.config import config_from_mapping, dump_config, load_config
from spinlock.errors import DataError, RunError
from spinlock.metrics.rate_distortion import gaussian_bits
from spinlock.preprocessing.training_data import read_table
from spinlock.runtime.process_group import ProcessGroup
from spinlock.sizing.search import CodebookSizeSearch
from spinlock.sizing.selection import Selection, select
from spinlock.training import plan as plan_module
from spinlock.training.plan import (
    MAX_HIDDEN_DIM,
    MIN_HIDDEN_DIM,
    Plan,
    automatic_hidden_dim,
    make_plan,
)
from tests.tables import write_table
from tests.training.runs import config, curved_table, plan_of, write_table_in


def write_and_plan(folder: Path, x: NDArray[np.float32] | None = None, **settings: Any) -> Plan:
    """Write a table and make its plan."""
    write_table_in(folder, x)
    return plan_of(config(folder, **settings))


def assert_same_fit(first: Plan, second: Plan) -> None:
    """Everything that was fitted or selected is equal bit for bit."""
    assert first.spec == second.spec
    assert first.selection == second.selection
    assert torch.equal(first.data.train, second.data.train)
    assert torch.equal(first.fit_rows().rows, second.fit_rows().rows)
    assert np.array_equal(first.data.gaussian_reference.eigenvalues, second.data.gaussian_reference.eigenvalues)
    for left, right in zip(_statistics(first), _statistics(second), strict=True):
        np.testing.assert_array_equal(left, right)


def _statistics(plan: Plan) -> list[NDArray[Any]]:
    screening = plan.data.cleaner.screening
    return [screening.median, screening.lower, screening.upper, screening.mean, screening.std, screening.missing]


@pytest.mark.parametrize("method", ["standard", "rank_gauss"])
def test_validation_rows_do_not_influence_the_fit(tmp_path: Path, method: str) -> None:
    x = curved_table()
    original = write_and_plan(tmp_path, x, normalization_method=method)
    rows = original.data.split.validation
    changed_table = x.copy()
    changed_table[rows] = 1e6 * np.random.default_rng(1).standard_normal((len(rows), x.shape[1]))
    changed_table[rows[0]] = np.nan
    changed = write_and_plan(tmp_path, changed_table, normalization_method=method)
    assert np.array_equal(changed.data.split.validation, rows)
    assert_same_fit(original, changed)
    assert not torch.equal(original.data.validation, changed.data.validation)


def test_the_same_input_gives_an_identical_plan(tmp_path: Path) -> None:
    first = write_and_plan(tmp_path, num_categories_auto=None)
    second = make_plan(first.data.table, config_from_mapping(first.requested, where="requested"))
    assert_same_fit(first, second)
    assert torch.equal(first.data.validation, second.data.validation)


def test_sizes_use_the_rate_of_the_training_rows_in_z_scored_units(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches: list[CodebookSizeSearch] = []

    def recording(proposal: Proposal, search: CodebookSizeSearch, rate: float | None) -> Selection:
        searches.append(search)
        return select(proposal, search, rate)

    monkeypatch.setattr(plan_module, "select", recording)
    x = curved_table()
    x[:, 3] = np.exp(2 * x[:, 3])  # heavy-tailed, so that normalized units are not z-scored
    plan = write_and_plan(tmp_path, x, target_quality=0.8)
    z = plan.data.cleaner.to_z_scores(plan.data.train.numpy()).astype(np.float64)
    assert not plan.data.cleaner.normalizer.standardizes
    covariance = LedoitWolf(assume_centered=True).fit(z).covariance_
    assert searches[0].gaussian_rate == pytest.approx(gaussian_bits(np.linalg.eigvalsh(covariance), 0.8), rel=1e-5)


@pytest.mark.parametrize(
    ("rows", "width"),
    [(1, 16), (216, 16), (255, 16), (400, 24), (944, 56), (1024, 64), (2048, 128), (100_000, 128)],
)
def test_the_automatic_hidden_width_is_a_sixteenth_of_the_rows_in_multiples_of_eight(rows: int, width: int) -> None:
    assert automatic_hidden_dim(rows) == width
    assert (MIN_HIDDEN_DIM, MAX_HIDDEN_DIM) == (16, 128)


def test_a_configured_hidden_width_is_used(tmp_path: Path) -> None:
    assert write_and_plan(tmp_path).spec.hidden_dim == 16
    assert write_and_plan(tmp_path, hidden_dim=5).spec.hidden_dim == 5


def test_only_fit_rows_influence_the_selection(tmp_path: Path) -> None:
    x = curved_table()
    plan = write_and_plan(tmp_path, x, fit_rows=100)
    assert len(plan.fit_rows().rows) == 100
    assert len(plan.data.train) == 216
    fitted = {tuple(row) for row in plan.fit_rows().rows.tolist()}
    assert fitted < {tuple(row) for row in plan.data.train.tolist()}
    outside = [
        row
        for row, values in zip(plan.data.split.train, plan.data.train.tolist(), strict=True)
        if tuple(values) not in fitted
    ]
    changed_table = x.copy()
    changed_table[outside] += 100
    changed = write_and_plan(tmp_path, changed_table, fit_rows=100)
    assert torch.equal(changed.fit_rows().rows, plan.fit_rows().rows)
    assert changed.spec == plan.spec


def test_training_rows_of_one_group_only_are_refused_with_the_path_of_the_table(tmp_path: Path) -> None:
    path = write_table_in(tmp_path, labels={"family": np.arange(240) // 120})
    settings = config(tmp_path, split_by="labels/family")
    with pytest.raises(
        DataError, match=r"the training rows belong to one group; expected at least two.*split by another"
    ) as error:
        plan_of(settings)
    assert str(path) in str(error.value)


def test_batches_that_are_too_small_for_the_processes_are_refused(tmp_path: Path) -> None:
    write_table_in(tmp_path)
    settings = config(tmp_path, batch_size=7)
    with pytest.raises(RunError, match="batches of 7 rows for 2 processes; expected at least 4 rows for each"):
        make_plan(read_table(settings), settings, group=LocalGroup(0, 2))


class LocalGroup(ProcessGroup):
    """The main process of a group whose other processes do nothing."""

    def broadcast_object(self, value: Any) -> Any:
        return value


def test_the_resolved_configuration_is_complete_and_gives_the_same_run(tmp_path: Path) -> None:
    first = write_and_plan(tmp_path)
    resolved = first.config
    assert resolved.hidden_dim == first.spec.hidden_dim
    assert resolved.category_factors is not None
    assert tuple(resolved.category_factors) == first.spec.category_names
    second = make_plan(first.data.table, resolved)
    assert first.selection.automatic
    assert not second.selection.automatic
    assert_same_fit(first, replace(second, selection=replace(second.selection, automatic=True)))
    assert second.config == resolved
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(resolved))
    assert load_config(path) == resolved


def test_the_requested_configuration_keeps_automatic_values_unset(tmp_path: Path) -> None:
    plan = write_and_plan(tmp_path)
    assert plan.requested == config(tmp_path).model_dump(mode="json")
    assert plan.requested["hidden_dim"] is None
    assert plan.requested["category_factors"] is None
    assert plan.requested["max_table_mb"] is None
    assert plan.config.max_table_mb == plan.data.limit_mb


def test_the_resolved_configuration_stores_the_comparison_rate(tmp_path: Path) -> None:
    """The names of categories do not identify them: another rate can give other categories with the same names."""
    rng = np.random.default_rng(15)
    factors = rng.standard_normal((469, 8)) @ rng.standard_normal((8, 35))
    table = (factors + 0.7 * rng.standard_normal(factors.shape)).astype(np.float32)
    write_table(tmp_path / "table.h5", table, names=[f"feature_{j}" for j in range(35)])
    first = plan_of(config(tmp_path, factors=None, num_categories_auto=None, target_quality=0.95))
    assert first.config.comparison_rate == first.selection.comparison_rate > 1
    assert make_plan(first.data.table, first.config).spec == first.spec


def test_the_plan_has_equal_batches_and_counts_their_steps(tmp_path: Path) -> None:
    plan = write_and_plan(tmp_path, epochs=3, batch_size=100)
    assert (plan.batch_plan.rows, plan.batch_plan.steps, plan.batch_plan.batch) == (216, 3, 72)
    assert plan.total_steps == 9
    assert plan.compile_plan.reason == "eager: compiling would save about 0 s of 9 steps and cost 60 s"


@pytest.mark.parametrize(("assignment", "rows"), [("local", 216), ("joint", 100)])
def test_joint_assignment_trains_on_the_held_rows_of_a_table_in_its_file(
    tmp_path: Path, assignment: str, rows: int
) -> None:
    plan = write_and_plan(tmp_path, assignment=assignment, max_table_mb=0.02, fit_rows=100)
    assert plan.data.streamed
    assert plan.assignment.name == assignment
    assert plan.streams_batches == (assignment == "local")
    assert plan.batch_plan.rows == rows
