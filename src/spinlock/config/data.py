"""Which rows are trained on, which are held back, and what is cleaned away before anything is fitted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from spinlock.config.section import Conflict, FilePath, Section, setting

MAX_SEED = 2**32 - 1


class DataSettings(Section):
    """Where the features come from, where the results go, and how the operators are split."""

    input_path: FilePath = setting(
        Path("datasets/test_4k_phase1_phase2.h5"),
        "Feature dataset (HDF5) to train on; opened read-only.",
        identity=False,
    )
    output_dir: FilePath = setting(
        Path("checkpoints/vqvae/production_4k"),
        "Directory for the best model, its statistics, history and config.yaml.",
        identity=False,
    )
    feature_family: str = setting(
        "sdf",
        "Family of features: the group of that name under /features in the dataset.",
        expected="the name of one HDF5 group, without a slash",
        pattern=r"^[^/\s]+$",
    )
    feature_type: Literal["aggregated", "per_trajectory", "per_timestep"] = setting(
        "aggregated",
        "Table of that family: a row per operator, realization or time step; the split is by operator.",
    )
    validation_fraction: float = setting(
        0.1,
        "Share of the operators that picks the checkpoint and reports the metrics; nothing is fitted on it.",
        unit="share of operators",
        gt=0,
        lt=1,
    )
    split_seed: int = setting(42, "Seed of the split into training and validation operators.", ge=0, le=MAX_SEED)
    split_by: str | None = setting(
        None,
        "Label whose groups stay on one side of the split (labels/<name>); null splits operator by operator.",
        expected='"labels/<name>", a dataset of labels in the input, or null',
        pattern=r"^labels/[^/\s][^/]*$",
    )
    fit_rows: int = setting(
        200_000,
        "Largest number of training rows that quantiles, categories and k-means are fitted on; "
        "a larger table is sampled, seeded.",
        unit="rows",
        ge=100,
    )
    max_table_mb: float | None = setting(
        None,
        "Largest table, as 32-bit numbers, that is held in memory; of a larger one a sample is held, and each epoch "
        "reads it from the file; null = a fifth of the memory of the machine and of the device.",
        unit="MB",
        gt=0,
    )


class CleaningSettings(Section):
    """What makes a column useless, where outliers are clipped, how columns are scaled; from training rows."""

    max_missing_fraction: float = setting(
        0.5,
        "A column with a larger share of NaN and inf than this is dropped.",
        unit="share of training rows",
        ge=0,
        le=1,
    )
    max_constant_fraction: float = setting(
        0.995,
        "A column whose commonest value fills this share or more is dropped; 1 = wholly constant ones only.",
        unit="share of training rows",
        gt=0,
        le=1,
    )
    duplicate_correlation: float = setting(
        0.9999,
        "A column whose |Pearson r| with an earlier one reaches this is dropped as its duplicate.",
        unit="|Pearson r|",
        gt=0,
        le=1,
    )
    clip_lower_percentile: float = setting(
        0.1, "Values below this percentile of their column are raised to it.", unit="percentile", ge=0, le=100
    )
    clip_upper_percentile: float = setting(
        99.9,
        "Values above this percentile of their column are lowered to it.",
        unit="percentile",
        ge=0,
        le=100,
    )
    normalization_method: Literal["standard", "robust", "rank_gauss"] = setting(
        "standard",
        "Scaling of each column: mean and standard deviation; median and IQR / 1.349; ranks to a Gaussian.",
    )

    def conflicts(self) -> Iterator[Conflict]:
        """The lower clipping percentile has to be below the upper one."""
        if self.clip_lower_percentile >= self.clip_upper_percentile:
            yield Conflict(
                ("clip_lower_percentile", "clip_upper_percentile"),
                "clip_lower_percentile has to be below clip_upper_percentile",
            )
        yield from super().conflicts()
