"""Checks of the inputs of a run that do not need torch, whose import takes seconds."""

from __future__ import annotations

from pathlib import Path

from spinlock.categories.mapping import load_mapping
from spinlock.config import DataSettings
from spinlock.errors import located
from spinlock.io.features import open_features
from spinlock.preprocessing.split import split_rows


def check_inputs(settings: DataSettings, mapping_file: Path | None = None) -> None:
    """Check the metadata of the dataset, the split and the mapping file.

    Parameters
    ----------
    settings
        Settings of the dataset and of the split.
    mapping_file
        Category mapping file, or None.

    Raises
    ------
    DataError
        The dataset does not contain the table or label, it cannot be split, or the mapping file does not match it.
    """
    family, feature_type = settings.feature_family, settings.feature_type
    with (
        located(settings.input_path),
        open_features(settings.input_path, family=family, feature_type=feature_type) as source,
    ):
        split_rows(
            source.num_operators,
            source.rows_per_operator,
            validation_fraction=settings.validation_fraction,
            seed=settings.split_seed,
            groups=None if settings.split_by is None else source.read_groups(settings.split_by),
        )
        if mapping_file is not None:
            load_mapping(mapping_file, source.names)
