"""The table that a run trains on: its rows in memory or in their file, and what the model sees of them.

A table that fits is held in memory. A larger one stays in its file: of its rows a sample is held, on which all that is
fitted or measured is fitted and measured, and only the epochs go over all of them (:mod:`spinlock.training.batches`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.config import DataSettings, VQVAEConfig
from spinlock.io.features import FeatureSource, open_features
from spinlock.io.stored_rows import StoredRows
from spinlock.preprocessing.cleaning import Cleaner
from spinlock.preprocessing.split import Split, split_rows, subsample
from spinlock.runtime.process_group import SINGLE, ProcessGroup

SHARE_OF_MEMORY = 0.2
"""Of the memory of the machine, or of the device: what a table may take. Cleaned and raw rows are held side by side."""


@dataclass(frozen=True)
class FeatureTable:
    """A feature table: raw rows [N, D], and where they came from."""

    path: str
    family: str
    feature_type: str
    names: tuple[str, ...]
    num_operators: int
    rows_per_operator: int
    sha256: str
    rows: NDArray[np.float32] | StoredRows
    groups: NDArray[np.generic] | None = None


@dataclass(frozen=True)
class TrainingData:
    """A table as the model sees it, split.

    ``train`` [n, D] and ``validation`` [m, D] are the normalized rows at ``train_rows`` [n] and ``validation_rows``
    [m]: all of the split, or a sample of it where the table stays in its file.
    """

    table: FeatureTable
    split: Split
    cleaner: Cleaner
    train_rows: NDArray[np.int64]
    validation_rows: NDArray[np.int64]
    train: Tensor
    validation: Tensor

    @property
    def z_scored_train(self) -> NDArray[np.float64]:
        """Training rows [n, D] z-scored and clipped, in float64."""
        return self.cleaner.to_z_scores(self.train.cpu().numpy()).astype(np.float64)

    @property
    def limit_mb(self) -> float:
        """The ``max_table_mb`` that decides as was decided whether the table is held, on any machine."""
        rows = self.table.rows
        return (rows.limit if isinstance(rows, StoredRows) else rows.nbytes) / 2**20

    @property
    def streamed(self) -> bool:
        """Whether the rows of an epoch are read from the file."""
        return isinstance(self.table.rows, StoredRows)


def read_table(
    settings: DataSettings, device: torch.device | str = "cpu", group: ProcessGroup = SINGLE
) -> FeatureTable:
    """Read the configured features, or leave them in their file if they are too large, and read the labels.

    Of several processes none holds a table that one of them cannot hold.

    Raises:
        DataError: the file, the group or its content is at fault.
    """
    with open_features(
        settings.input_path, family=settings.feature_family, feature_type=settings.feature_type
    ) as source:
        limit = group.all_reduce_min(memory_limit(settings, torch.device(device), group.local_world_size))
        fits = 4 * source.num_rows * source.shape[-1] <= limit
        return FeatureTable(
            path=str(source.path),
            family=source.family,
            feature_type=source.feature_type,
            names=source.names,
            num_operators=source.num_operators,
            rows_per_operator=source.rows_per_operator,
            sha256=source.sha256(),
            rows=source.read_all() if fits else _stored(source, limit),
            groups=_labels(source, settings.split_by),
        )


def memory_limit(settings: DataSettings, device: torch.device, processes: int = 1) -> int:
    """Bytes that the rows of a table may take: as configured, or a share of the memory of machine and device.

    The machine's is divided among its ``processes``.
    """
    if settings.max_table_mb is not None:
        return int(settings.max_table_mb * 2**20)
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 2**33
    sizes = [there // processes]
    if device.type == "cuda":
        sizes.append(torch.cuda.get_device_properties(device).total_memory)
    return int(SHARE_OF_MEMORY * min(sizes))


def _stored(source: FeatureSource, limit: int) -> StoredRows:
    return StoredRows(source.path, family=source.family, feature_type=source.feature_type, limit=limit)


def _labels(source: FeatureSource, split_by: str | None) -> NDArray[np.generic] | None:
    return None if split_by is None else source.read_groups(split_by)


def fit_training_data(
    table: FeatureTable, config: VQVAEConfig, device: torch.device, group: ProcessGroup = SINGLE
) -> TrainingData:
    """Split the rows; the first process fits the cleaning on training rows, a reservoir of them beyond ``fit_rows``."""
    split = split_rows(
        table.num_operators,
        table.rows_per_operator,
        validation_fraction=config.validation_fraction,
        seed=config.split_seed,
        groups=table.groups,
    )
    fitted = subsample(split.train, max_fit_rows(table, config), config.random_seed)
    cleaner = group.broadcast_object(Cleaner.fit(table.rows[fitted], table.names, config) if group.is_main else None)
    return make_training_data(table, split, cleaner, config, device)


def max_fit_rows(table: FeatureTable, config: VQVAEConfig) -> int:
    """Rows that anything is fitted on, at most."""
    return min(config.fit_rows, table.rows.most) if isinstance(table.rows, StoredRows) else config.fit_rows


def make_training_data(
    table: FeatureTable, split: Split, cleaner: Cleaner, config: VQVAEConfig, device: torch.device
) -> TrainingData:
    """Both sides of the split in the model's units, on the device: all rows, or a sample of a table in its file."""
    train, validation = split.train, split.validation
    if isinstance(table.rows, StoredRows):
        most = max_fit_rows(table, config)
        train = subsample(train, most, config.random_seed)
        validation = subsample(validation, most, config.random_seed)
    return TrainingData(
        table,
        split,
        cleaner,
        train,
        validation,
        *(torch.from_numpy(cleaner.transform(table.rows[side]).values).to(device) for side in (train, validation)),
    )
