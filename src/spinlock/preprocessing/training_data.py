"""The data that a run trains on: a feature table, cleaned and split.

A table that fits into memory is held there. A larger one stays in its file. Then only a sample of its rows is held, on
which everything is fitted and measured, and the epochs read all training rows from the file.

Letters: ``N`` operators, ``D`` kept columns, ``n`` training rows, ``m`` validation rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.config import CleaningSettings, DataSettings
from spinlock.errors import DataError
from spinlock.io.feature_table import MEMORY_FRACTION, FeatureTable, memory_limit, read_features
from spinlock.io.stored_rows import StoredRows
from spinlock.preprocessing.cleaning import Cleaner
from spinlock.preprocessing.split import Split, split_rows, subsample
from spinlock.runtime.process_group import SINGLE, ProcessGroup


@dataclass(frozen=True)
class TrainingData:
    """A cleaned and split feature table.

    Attributes
    ----------
    table, split, cleaner
        The raw table, its split by operator, and the cleaning that was fitted on training rows.
    groups
        The label [N] whose values stay on one side of the split, or None.
    train_rows, validation_rows
        Positions [n] and [m] of the rows that are held: all rows of the split, or a sample of a table in its file.
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

    @property
    def z_scored_train(self) -> NDArray[np.float64]:
        """Training rows [n, D], z-scored and clipped, in float64."""
        return self.cleaner.to_z_scores(self.train.cpu().numpy()).astype(np.float64)

    @property
    def limit_mb(self) -> float:
        """The ``max_table_mb`` with which any machine decides as this one did whether the table is held in memory."""
        rows = self.table.rows
        return (rows.limit if isinstance(rows, StoredRows) else rows.nbytes) / 2**20

    @property
    def streamed(self) -> bool:
        """Whether the table stays in its file."""
        return isinstance(self.table.rows, StoredRows)


@dataclass(frozen=True)
class FitRows:
    """The training rows that statistics, categories and codes are fitted on.

    ``rows`` [n, D] are in normalized units. ``units`` [n] is the operator, or the group, of each row.
    """

    rows: Tensor
    units: NDArray[np.int64]


def read_table(
    settings: DataSettings, device: torch.device | str = "cpu", group: ProcessGroup = SINGLE
) -> FeatureTable:
    """Read the table that the settings name; a table that does not fit into memory stays in its file.

    All processes of ``group`` decide alike: the table is held only if each of them can hold it.

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
    """The configured limit, or a fraction of the memory of the machine and of the device."""
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
    """Split a table and fit its cleaning on training rows, at most ``data.fit_rows`` of them.

    The main process fits the cleaning for all processes.

    Raises
    ------
    DataError
        Too few rows to split, or too few columns that can be used.
    """
    groups = None if data.split_by is None else table.groups(data.split_by)
    split = split_rows(
        table.num_operators,
        table.rows_per_operator,
        validation_fraction=data.validation_fraction,
        seed=data.split_seed,
        groups=groups,
    )
    fitted = subsample(split.train, _max_held_rows(table, data.fit_rows), seed)
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
    """Apply a fitted cleaning to both sides of a split; of a table in its file a sample of each side is held."""
    train, validation = split.train, split.validation
    if isinstance(table.rows, StoredRows):
        limit = _max_held_rows(table, fit_rows)
        train, validation = subsample(train, limit, seed), subsample(validation, limit, seed)
    rows = [torch.from_numpy(cleaner.transform(table.rows[side]).values).to(device) for side in (train, validation)]
    return TrainingData(table, split, cleaner, groups, train, validation, *rows)


def sample_fit_rows(data: TrainingData, limit: int, seed: int) -> FitRows:
    """At most ``limit`` training rows, in their order.

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
            "the training rows are one group",
            expected="at least two, to choose sizes on rows that were not fitted on",
            remedy="split by another label",
        )
    return FitRows(data.train[torch.from_numpy(positions).to(data.train.device)], units.astype(np.int64))


def _max_held_rows(table: FeatureTable, fit_rows: int) -> int:
    return min(fit_rows, table.rows.max_rows) if isinstance(table.rows, StoredRows) else fit_rows
