"""Everything before the first epoch: read, split, clean, find the categories, size the model.

``--dry-run`` stops here, ``discover-categories`` half-way, and training goes on from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.categories.proposal import Categorization, propose
from spinlock.config import VQVAEConfig, config_from_mapping
from spinlock.errors import DataError
from spinlock.metrics.correlation import correlation_matrix
from spinlock.model import ModelSpec
from spinlock.preprocessing.holdout import split_holdout
from spinlock.preprocessing.split import subsample
from spinlock.preprocessing.training_data import FeatureTable, TrainingData, fit_training_data
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.sizing.search import CodebookSizeSearch
from spinlock.sizing.trials import Sizes

HIDDEN_DIM = (16, 128)
"""Narrowest and widest hidden layer that is chosen automatically."""

ROWS_PER_HIDDEN_UNIT = 16

DECODER_WIDTH = {"local": 2, "joint": 4}
"""Hidden units of the decoder over those of an encoder: it learns from many more points, those between rows."""

RATE_MULTIPLIERS = (1.0, 2.0)
"""The rates, over that of a Gaussian source, at which partitions are compared until one can meet the targets."""


@dataclass(frozen=True)
class Prepared:
    """A run up to its first epoch; ``requested`` is the configuration as it was given, with what is automatic open."""

    requested: VQVAEConfig
    data: TrainingData
    categories: Categorization
    sizes: Sizes
    spec: ModelSpec
    fit_rows: Tensor
    correlation: NDArray[np.float64]
    comparison_rate: float


def prepare(table: FeatureTable, config: VQVAEConfig, device: torch.device, group: ProcessGroup = SINGLE) -> Prepared:
    """Clean the table, find the categories and size the model; the first process chooses for all.

    Raises:
        DataError: too few rows or usable columns, a mapping file or factors that do not fit.
    """
    data = fit_training_data(table, config, device, group)
    fit_rows, units = _fit_rows(data, config)
    correlation = correlation_matrix(data.cleaner.to_z_scores(fit_rows.cpu().numpy()).astype(np.float64))
    rate, categories, sizes = group.broadcast_object(
        _categories_and_sizes(config, data, correlation, _size_search(data, fit_rows, units, config))
        if group.is_main
        else None
    )
    hidden = config.hidden_dim or hidden_dim(len(data.train))
    spec = ModelSpec(
        category_names=categories.names,
        groups=categories.groups,
        embedding_dim=config.embedding_dim,
        hidden_dim=hidden,
        latent_dims=sizes.latent_dims,
        num_codes=sizes.num_codes,
        assignment=config.assignment,
        decoder_dim=DECODER_WIDTH[config.assignment] * hidden,
    )
    return Prepared(config, data, categories, sizes, spec, fit_rows, correlation, rate)


def resolved_config(config: VQVAEConfig, prepared: Prepared) -> VQVAEConfig:
    """The configuration with everything filled in that was chosen automatically; it gives the same run again."""
    spec = prepared.spec
    factors = {
        name: [{"latent_dim": dim, "num_codes": codes} for dim, codes in zip(dims, sizes, strict=True)]
        for name, dims, sizes in zip(spec.category_names, spec.latent_dims, spec.num_codes, strict=True)
    }
    values = config.model_dump(mode="json") | {
        "hidden_dim": spec.hidden_dim,
        "comparison_rate": prepared.comparison_rate,
        "category_factors": factors,
    }
    if config.max_table_mb is None:
        values["max_table_mb"] = prepared.data.limit_mb
    return config_from_mapping(values, where="resolved configuration")


def find_categories(table: FeatureTable, config: VQVAEConfig) -> tuple[TrainingData, Categorization]:
    """The part of :func:`prepare` that ``discover-categories`` needs."""
    data = fit_training_data(table, config, torch.device("cpu"))
    fit_rows, units = _fit_rows(data, config)
    correlation = correlation_matrix(data.cleaner.to_z_scores(fit_rows.numpy()).astype(np.float64))
    return data, _categories_and_sizes(config, data, correlation, _size_search(data, fit_rows, units, config))[1]


def _categories_and_sizes(
    config: VQVAEConfig, data: TrainingData, correlation: NDArray[np.float64], search: CodebookSizeSearch
) -> tuple[float, Categorization, Sizes]:
    """The partition that is best at the rate of a Gaussian source, or at more bits where its codes miss the targets."""
    found: list[tuple[float, Categorization, Sizes]] = []
    rates = RATE_MULTIPLIERS if config.comparison_rate is None else (config.comparison_rate,)
    proposal = propose(config, correlation, data.cleaner.kept.tolist(), data.table.names)
    for rate_multiplier in rates:
        categories = proposal.choose(partial(search.qualities, rate_multiplier=rate_multiplier))
        last = search.rate(rate_multiplier) >= search.rate(rates[-1]) or len(categories.discovery.candidates) == 1
        if (
            config.category_factors is not None
            and not last
            and not config.category_factors.keys() <= {*categories.names}
        ):
            continue
        if categories.groups not in [earlier.groups for _, earlier, _ in found]:
            found.append((rate_multiplier, categories, search.choose(categories.groups, categories.names)))
        if last or config.factors is not None or config.category_factors is not None or search.meets(found[-1][2]):
            break
    best = search.best([sizes for _, _, sizes in found])
    return next(choice for choice in found if choice[2] is best)


def hidden_dim(rows: int) -> int:
    """n / 16 rounded to a multiple of 8, between 16 and 128: few rows support only a narrow hidden layer."""
    low, high = HIDDEN_DIM
    return min(high, max(low, 8 * round(rows / ROWS_PER_HIDDEN_UNIT / 8)))


def _fit_rows(data: TrainingData, config: VQVAEConfig) -> tuple[Tensor, NDArray[np.int64]]:
    """The training rows [n, D] that are fitted on, and the operator or group [n] of each."""
    chosen = np.searchsorted(data.train_rows, subsample(data.train_rows, config.fit_rows, config.random_seed))
    units = data.train_rows[chosen] // data.table.rows_per_operator
    if data.table.groups is not None:
        units = np.unique(data.table.groups[units], return_inverse=True)[1]
    if len(np.unique(units)) < 2:
        raise DataError(
            "the training rows are one group",
            expected="at least two, to choose sizes on rows that were not fitted on",
            remedy="split by another label",
        )
    return data.train[torch.from_numpy(chosen).to(data.train.device)], units.astype(np.int64)


def _size_search(
    data: TrainingData, fit_rows: Tensor, units: NDArray[np.int64], config: VQVAEConfig
) -> CodebookSizeSearch:
    holdout = split_holdout(units, config.random_seed)
    return CodebookSizeSearch(fit_rows, holdout, config, validation_rows=len(data.validation), seed=config.random_seed)
