"""Conversion of the arguments of the Python interface to a configuration and a feature table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spinlock.config import VQVAEConfig, config_from_mapping
from spinlock.io.feature_table import FeatureTable, read_features


def training_inputs(
    features: Any,
    config: VQVAEConfig | Mapping[str, Any] | None,
    keywords: Mapping[str, Any],
    *,
    feature_names: Sequence[str] | None = None,
    groups: Sequence[Any] | NDArray[Any] | None = None,
) -> tuple[VQVAEConfig, FeatureTable]:
    """Merge a configuration with keywords, and create the feature table.

    Parameters
    ----------
    features
        A :class:`~spinlock.io.feature_table.FeatureTable`, the path of a dataset, an array, a tensor or a data frame.
    config, keywords
        A configuration or its keys, and keys that override it.
    feature_names
        Column names [D] of an array.
    groups
        Labels [N] of the operators of an array. Operators with the same label are on the same side of the split.

    Returns
    -------
    config : VQVAEConfig
    table : FeatureTable

    Raises
    ------
    ConfigError
        A key is unknown or a value is out of range.
    DataError
        The features cannot be read.
    """
    base = config.model_dump(mode="json", exclude_unset=True) if isinstance(config, VQVAEConfig) else config or {}
    values = {**base, **keywords}
    if groups is not None:
        values.setdefault("split_by", "labels/groups")
    if isinstance(features, FeatureTable):
        values.setdefault("feature_family", features.family)
        values.setdefault("feature_type", features.feature_type)
        return config_from_mapping(values, where="config"), features
    settings = config_from_mapping(values, where="config")
    table = read_features(
        features,
        family=settings.feature_family,
        feature_type=settings.feature_type,
        feature_names=feature_names,
        labels=None if groups is None else {(settings.split_by or "").removeprefix("labels/"): np.asarray(groups)},
        max_bytes=None if settings.max_table_mb is None else int(settings.max_table_mb * 2**20),
    )
    return settings, table
