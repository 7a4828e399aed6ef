"""Settings of the feature table, its split into training and validation rows, and its cleaning."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from spinlock.config.section import MAX_COUNT, Conflict, FilePath, Section, setting

MAX_SEED = 2**32 - 1

MAX_TABLE_MB = 1e9
"""Maximum of ``max_table_mb``: 1 PB."""


class DataSettings(Section):
    """Paths, the table of features, and the split of its operators."""

    input_path: FilePath = setting(
        Path("datasets/test_4k_phase1_phase2.h5"),
        "HDF5 dataset of features for training. It is opened read-only.",
        identity=False,
    )
    output_dir: FilePath = setting(
        Path("checkpoints/vqvae/production_4k"),
        "Directory for the best model, its normalization statistics, the history and config.yaml.",
        identity=False,
    )
    feature_family: str = setting(
        "sdf",
        "Name of the group under /features of the dataset that contains the table.",
        expected="the name of one HDF5 group, without a slash",
        pattern=r"^[^/\s]+$",
    )
    feature_type: Literal["aggregated", "per_trajectory", "per_timestep"] = setting(
        "aggregated",
        "Kind of table: one row for each operator, for each realization, or for each time step. "
        "All rows of an operator are in the same part of the split (training or validation).",
    )
    validation_fraction: float = setting(
        0.1,
        "Fraction of the operators in the validation set. The best epoch is selected and the metrics are measured on "
        "the validation set; nothing is fitted to it.",
        unit="fraction of operators",
        gt=0,
        lt=1,
    )
    split_seed: int = setting(42, "Seed of the random split into training and validation operators.", ge=0, le=MAX_SEED)
    split_by: str | None = setting(
        None,
        "Label (labels/<name>) that defines groups of operators. All operators of a group are in the same part of the "
        "split. null: operators are split independently.",
        expected='"labels/<name>", a dataset of labels in the input, or null',
        pattern=r"^labels/[^/\s][^/]*$",
    )
    fit_rows: int = setting(
        200_000,
        "Maximum number of training rows to which quantiles, categories and k-means are fitted. From a larger table "
        "this number of rows is sampled with a fixed seed.",
        unit="rows",
        ge=100,
        le=MAX_COUNT,
    )
    max_table_mb: float | None = setting(
        None,
        "Maximum size of the float32 table in memory. For a larger table, only a sample of its rows is in memory, and "
        "each epoch reads the rows from the file. null: a fifth of the memory of the machine and of the device.",
        unit="MB",
        gt=0,
        le=MAX_TABLE_MB,
    )


class CleaningSettings(Section):
    """Dropping of columns, clipping of values and scaling of columns. All statistics are those of training rows."""

    max_missing_fraction: float = setting(
        0.5,
        "Columns with a larger fraction of NaN and infinite values are dropped.",
        unit="fraction of training rows",
        ge=0,
        le=1,
    )
    max_constant_fraction: float = setting(
        0.995,
        "Columns whose most common value occurs in at least this fraction of the rows are dropped. "
        "1: only constant columns are dropped.",
        unit="fraction of training rows",
        gt=0,
        le=1,
    )
    duplicate_correlation: float = setting(
        0.9999,
        "Columns whose absolute Pearson correlation with an earlier column is at least this value are dropped.",
        unit="|Pearson r|",
        gt=0,
        le=1,
    )
    clip_lower_percentile: float = setting(
        0.1,
        "Values below this percentile of their column are replaced by the percentile.",
        unit="percentile",
        ge=0,
        le=100,
    )
    clip_upper_percentile: float = setting(
        99.9,
        "Values above this percentile of their column are replaced by the percentile.",
        unit="percentile",
        ge=0,
        le=100,
    )
    normalization_method: Literal["auto", "standard", "robust", "rank_gauss"] = setting(
        "auto",
        "Scaling of each column: by mean and standard deviation (standard), by median and IQR / 1.349 (robust), by "
        "mapping ranks to a Gaussian distribution (rank_gauss), or by its tails (auto): as standard, but heavy-tailed "
        "columns by an increasing function that limits extreme values.",
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Yield a conflict if the lower clipping percentile is not below the upper one."""
        if self.clip_lower_percentile >= self.clip_upper_percentile:
            yield Conflict(
                ("clip_lower_percentile", "clip_upper_percentile"),
                "clip_lower_percentile has to be below clip_upper_percentile",
            )
        yield from super().conflicts()
