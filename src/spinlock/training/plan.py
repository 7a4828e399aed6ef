"""The plan of a run: all decisions before the first epoch.

The table is split and cleaned, categories and codebook sizes are selected, and the network is specified. ``--dry-run``
prints the plan; training starts from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from spinlock.categories.proposal import propose
from spinlock.config import CategorySettings, ModelSettings, VQVAEConfig, config_from_mapping
from spinlock.errors import located
from spinlock.io.feature_table import FeatureTable
from spinlock.model import ModelSpec
from spinlock.preprocessing.holdout import split_holdout
from spinlock.preprocessing.training_data import FitRows, TrainingData, fit_training_data, sample_fit_rows
from spinlock.runtime.compilation import CompilePlan
from spinlock.runtime.memory import trim_heap
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.sizing.assignment import Assignment, assignment_of
from spinlock.sizing.search import CodebookSizeSearch
from spinlock.sizing.selection import Selection, SelectionSummary, select
from spinlock.training.batches import check_batch_size
from spinlock.training.compilation import plan_compilation
from spinlock.training.optimization.schedule import BatchPlan

MIN_HIDDEN_DIM, MAX_HIDDEN_DIM = 16, 128
"""Limits of the hidden width that is selected automatically."""

ROWS_PER_HIDDEN_UNIT = 16
"""Number of training rows per hidden unit, to limit overfitting."""


@dataclass(frozen=True)
class Plan:
    """Everything that does not change during a run.

    Attributes
    ----------
    config
        Configuration with all automatic values resolved; it reproduces the run.
    requested
        Configuration as it was requested, in which automatic values are null.
    data
        Table that is split and cleaned.
    spec
        Categories and sizes of the network.
    selection
        Scores on which the selection of categories and codebook sizes is based.
    compile_plan
        Decision whether the training step is compiled, with its reason.
    resumed
        Whether the run was started before.
    """

    config: VQVAEConfig
    requested: dict[str, Any]
    data: TrainingData
    spec: ModelSpec
    selection: SelectionSummary
    compile_plan: CompilePlan
    resumed: bool = False

    @property
    def assignment(self) -> Assignment:
        """Operations of local or joint assignment."""
        return assignment_of(self.spec.assignment)

    @property
    def streams_batches(self) -> bool:
        """Whether epochs stream all training rows from the file of the table."""
        return self.data.streamed and self.assignment.streams_table

    @cached_property
    def batch_plan(self) -> BatchPlan:
        """Number and size of the batches of an epoch."""
        rows = self.data.split.train if self.streams_batches else self.data.train
        return BatchPlan.of(len(rows), self.config.batch_size)

    @property
    def total_steps(self) -> int:
        """Number of optimizer steps of all epochs."""
        return self.config.epochs * self.batch_plan.steps

    def fit_rows(self) -> FitRows:
        """Return the training rows on which the network is initialized."""
        return sample_fit_rows(self.data, self.config.fit_rows, self.config.random_seed)


def make_plan(
    table: FeatureTable, config: VQVAEConfig, *, device: torch.device | str = "cpu", group: ProcessGroup = SINGLE
) -> Plan:
    """Split and clean a table, select categories and codebook sizes, and specify the network.

    The main process makes the selection for all processes.

    Parameters
    ----------
    table
        Feature table.
    config
        Configuration. Values that are null are selected automatically.
    device
        Device of the training data.
    group
        Processes that train together.

    Returns
    -------
    Plan

    Raises
    ------
    DataError
        There are too few rows or usable columns, or a mapping file or factors do not match the table.
    RunError
        A batch has too few rows per process.
    """
    device = torch.device(device)
    with located(table.path):
        data = fit_training_data(
            table, data=config, cleaning=config, seed=config.random_seed, device=device, group=group
        )
        fit_rows = sample_fit_rows(data, config.fit_rows, config.random_seed)
        selection = group.broadcast_object(
            select_categories(data, fit_rows, categories=config, model=config, seed=config.random_seed)
            if group.is_main
            else None
        )
    trim_heap()  # the trials of a wide table leave hundreds of megabytes
    spec = _specify(config, selection, rows=len(data.train))
    resolved = _resolve(config, spec, selection.summary.comparison_rate, max_table_mb=data.limit_mb)
    plan = Plan(
        config=resolved,
        requested=config.model_dump(mode="json"),
        data=data,
        spec=spec,
        selection=selection.summary,
        compile_plan=CompilePlan(False, ""),
    )
    check_batch_size(plan.batch_plan, group)
    return replace(plan, compile_plan=_plan_compilation(plan, device, group))


def select_categories(
    data: TrainingData,
    fit_rows: FitRows,
    *,
    categories: CategorySettings,
    model: ModelSettings,
    seed: int,
) -> Selection:
    """Select the categories and their codebook sizes on training rows.

    Parameters
    ----------
    data, fit_rows
        Training data, and the training rows on which codes are fitted.
    categories, model
        Settings of the categories and of the codebook sizes.
    seed
        Seed of the hold-out and of the trials.

    Returns
    -------
    Selection

    Raises
    ------
    DataError
        A mapping file or factors do not match the table.
    """
    rows = data.cleaner.to_z_scores(fit_rows.rows.cpu().numpy())
    proposal = propose(categories, rows, data.cleaner.kept.tolist(), data.table.names)
    holdout = split_holdout(fit_rows.units, seed)
    search = CodebookSizeSearch(
        fit_rows.rows,
        holdout,
        model,
        data.gaussian_reference,
        validation_rows=len(data.validation),
        seed=seed,
        to_z_scores=data.cleaner.to_z_scores,
    )
    return select(proposal, search, categories.comparison_rate)


def automatic_hidden_dim(rows: int) -> int:
    """Return the hidden width for n training rows: n / 16, rounded to a multiple of 8, between 16 and 128."""
    return min(MAX_HIDDEN_DIM, max(MIN_HIDDEN_DIM, 8 * round(rows / ROWS_PER_HIDDEN_UNIT / 8)))


def _specify(settings: ModelSettings, selection: Selection, *, rows: int) -> ModelSpec:
    """Create the specification of the network for ``rows`` training rows."""
    hidden = settings.hidden_dim or automatic_hidden_dim(rows)
    return ModelSpec(
        category_names=selection.category_names,
        groups=selection.groups,
        embedding_dim=settings.embedding_dim,
        hidden_dim=hidden,
        latent_dims=selection.latent_dims,
        num_codes=selection.num_codes,
        assignment=settings.assignment,
        decoder_dim=assignment_of(settings.assignment).decoder_width * hidden,
    )


def _resolve(config: VQVAEConfig, spec: ModelSpec, comparison_rate: float, *, max_table_mb: float) -> VQVAEConfig:
    """Return the configuration with all automatic values replaced by the selected ones."""
    factors = {
        name: [{"latent_dim": dim, "num_codes": codes} for dim, codes in zip(dims, sizes, strict=True)]
        for name, dims, sizes in zip(spec.category_names, spec.latent_dims, spec.num_codes, strict=True)
    }
    values = config.model_dump(mode="json") | {
        "hidden_dim": spec.hidden_dim,
        "comparison_rate": comparison_rate,
        "category_factors": factors,
    }
    if config.max_table_mb is None:
        values["max_table_mb"] = max_table_mb
    return config_from_mapping(values, where="resolved configuration")


def _plan_compilation(plan: Plan, device: torch.device, group: ProcessGroup) -> CompilePlan:
    return plan_compilation(
        plan.spec,
        batch=plan.batch_plan.batch,
        steps=plan.total_steps,
        device=device,
        enabled=plan.config.use_torch_compile,
        processes=group.world_size,
    )
