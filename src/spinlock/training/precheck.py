"""Faults of the inputs of a run that can be found without torch, whose import takes seconds."""

from __future__ import annotations

from spinlock.categories.mapping import load_mapping
from spinlock.config import VQVAEConfig
from spinlock.errors import located
from spinlock.io.features import open_features
from spinlock.preprocessing.split import split_rows


def check_inputs(config: VQVAEConfig) -> None:
    """Check the head of the dataset, the split and the mapping file.

    Raises
    ------
    DataError
        The dataset has no such table or label, it cannot be split, or the mapping file does not fit its columns.
    """
    family, feature_type = config.feature_family, config.feature_type
    with (
        located(config.input_path),
        open_features(config.input_path, family=family, feature_type=feature_type) as source,
    ):
        split_rows(
            source.num_operators,
            source.rows_per_operator,
            validation_fraction=config.validation_fraction,
            seed=config.split_seed,
            groups=None if config.split_by is None else source.read_groups(config.split_by),
        )
        if config.category_mapping_file is not None:
            load_mapping(config.category_mapping_file, source.names)
