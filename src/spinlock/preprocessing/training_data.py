"""Training data: a feature table that is split and cleaned.

A table that fits into memory is read at once. A larger table is streamed: only a sample of its rows is in memory, on
which everything is fitted and measured, and the epochs read all training rows from the file.

Letters: ``N`` operators, ``D`` kept columns, ``n`` training rows, ``m`` validation rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.config import CleaningSettings, DataSettings
from spinlock.errors import DataError
from spinlock.io.feature_table import MEMORY_FRACTION, FeatureTable, memory_limit, read_features
from spinlock.io.stored_rows import StoredRows
from spinlock.metrics.gaussian_reference import GaussianReference
from spinlock.preprocessing.cleaning import Cleaner
from spinlock.preprocessing.split import Split, split_rows, subsample
from spinlock.runtime.process_group import SINGLE, ProcessGroup


@dataclass(frozen=True)
class TrainingData:
    """A feature table that is split and cleaned.

    Attributes
    ----------
    table, split, cleaner
        The raw table, its split by operator, and the cleaning that was fitted on training rows.
    groups
        Group label [N] of each operator, by which the table was split, or None.
    train_rows, validation_rows
        Indices [n] and [m] of the rows in memory: all rows of the split, or a sample of a streamed table.
    train, validation
        These rows [n, D] and [m, D] in normalized units, on the device.
    """

    table: FeatureTable
    split: Split
    cleaner: Cleaner
    groups: NDArray[Any] | None
    train_rows: NDArray[np.int64]
    validation_rows: NDArray[np.int64]
    train: Tensor
    validation: Tensor

    @cached_property
    def gaussian_reference(self) -> GaussianReference:
        """Gaussian reference R(D) of the rows in memory, z-scored and clipped. Plan, sizes and report use this one."""
        rows = (self.cleaner.to_z_scores(side.cpu().numpy()) for side in (self.train, self.validation))
        return GaussianReference.from_rows(*rows)

    @property
    def limit_mb(self) -> float:
        """Value of ``max_table_mb`` for which any machine streams the table if and only if this run does."""
        rows = self.table.rows
        return (rows.limit if isinstance(rows, StoredRows) else rows.nbytes) / 2**20

    @property
    def streamed(self) -> bool:
        """Whether the table is streamed from its file."""
        return isinstance(self.table.rows, StoredRows)


@dataclass(frozen=True)
class FitRows:
    """Training rows on which correlations, categories and codes are fitted.

    ``rows`` [n, D] are in normalized units. ``units`` [n] is the operator, or the group, of each row.
    """

    rows: Tensor
    units: NDArray[np.int64]


def read_table(
    settings: DataSettings, device: torch.device | str = "cpu", group: ProcessGroup = SINGLE
) -> FeatureTable:
    """Open the table that the settings name, and read it into memory if it fits.

    All processes of ``group`` use the smallest of their memory limits, so that all or none of them stream the table.

    Parameters
    ----------
    settings
        Path and name of the table, and the memory limit.
    device
        Device of the training data, whose memory also limits the table.
    group
        Processes that train together.

    Returns
    -------
    FeatureTable

    Raises
    ------
    DataError
        The file, its group or its content cannot be used.
    """
    limit = _max_table_bytes(settings, torch.device(device), group.local_world_size)
    return read_features(
        settings.input_path,
        family=settings.feature_family,
        feature_type=settings.feature_type,
        max_bytes=group.all_reduce_min(limit),
    )


def _max_table_bytes(settings: DataSettings, device: torch.device, processes: int) -> int:
    """Return the configured limit, or a fraction of the memory of the machine and of the device."""
    if settings.max_table_mb is not None:
        return int(settings.max_table_mb * 2**20)
    limit = memory_limit(processes)
    if device.type == "cuda":
        limit = min(limit, int(MEMORY_FRACTION * torch.cuda.get_device_properties(device).total_memory))
    return limit


def fit_training_data(
    table: FeatureTable,
    *,
    data: DataSettings,
    cleaning: CleaningSettings,
    seed: int,
    device: torch.device,
    group: ProcessGroup = SINGLE,
) -> TrainingData:
    """Split a table, and fit its cleaning on at most ``data.fit_rows`` training rows.

    The main process fits the cleaning for all processes.

    Parameters
    ----------
    table
        Feature table.
    data, cleaning
        Settings of the split and of the cleaning.
    seed
        Seed of the sample of training rows.
    device
        Device of the training data.
    group
        Processes that train together.

    Returns
    -------
    TrainingData

    Raises
    ------
    DataError
        There are too few rows to split, or too few usable columns.
    """
    groups = None if data.split_by is None else table.groups(data.split_by)
    split = split_rows(
        table.num_operators,
        table.rows_per_operator,
        validation_fraction=data.validation_fraction,
        seed=data.split_seed,
        groups=groups,
    )
    fitted = subsample(split.train, _max_rows_in_memory(table, data.fit_rows), seed)
    cleaner = group.broadcast_object(Cleaner.fit(table.rows[fitted], table.names, cleaning) if group.is_main else None)
    return make_training_data(table, split, cleaner, groups=groups, fit_rows=data.fit_rows, seed=seed, device=device)


def make_training_data(
    table: FeatureTable,
    split: Split,
    cleaner: Cleaner,
    *,
    groups: NDArray[Any] | None = None,
    fit_rows: int,
    seed: int,
    device: torch.device,
) -> TrainingData:
    """Apply a fitted cleaning to both sides of a split, or to a sample of each side of a streamed table.

    Parameters
    ----------
    table
        Feature table.
    split, cleaner
        Split of the table, and its fitted cleaning.
    groups
        Group label [N] of each operator, by which the table was split, or None.
    fit_rows
        Maximum number of rows of a sample.
    seed
        Seed of the samples.
    device
        Device of the training data.

    Returns
    -------
    TrainingData
    """
    train, validation = split.train, split.validation
    if isinstance(table.rows, StoredRows):
        limit = _max_rows_in_memory(table, fit_rows)
        train, validation = subsample(train, limit, seed), subsample(validation, limit, seed)
    rows = [torch.from_numpy(cleaner.transform(table.rows[side]).values).to(device) for side in (train, validation)]
    return TrainingData(table, split, cleaner, groups, train, validation, *rows)


def sample_fit_rows(data: TrainingData, limit: int, seed: int) -> FitRows:
    """Return a sample of training rows in the order of the table.

    Parameters
    ----------
    data
        Training data.
    limit
        Maximum number of rows.
    seed
        Seed of the sample.

    Returns
    -------
    FitRows

    Raises
    ------
    DataError
        All of these rows belong to one operator or group, so that none can be held out.
    """
    positions = np.searchsorted(data.train_rows, subsample(data.train_rows, limit, seed))
    units = data.train_rows[positions] // data.table.rows_per_operator
    if data.groups is not None:
        units = np.unique(data.groups[units], return_inverse=True)[1]
    if len(np.unique(units)) < 2:
        raise DataError(
            "the training rows belong to one group",
            expected="at least two groups, one of them to select codebook sizes",
            remedy="split by another label",
        )
    return FitRows(data.train[torch.from_numpy(positions).to(data.train.device)], units.astype(np.int64))


def _max_rows_in_memory(table: FeatureTable, fit_rows: int) -> int:
    return min(fit_rows, table.rows.max_rows) if isinstance(table.rows, StoredRows) else fit_rows
