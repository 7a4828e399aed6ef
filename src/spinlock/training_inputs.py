"""Conversion of the arguments of the Python interface to a configuration and a feature table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from spinlock.config import VQVAEConfig, resolve_config
from spinlock.errors import ConfigError, DataError
from spinlock.io.arrays import check_labels, check_row_labels
from spinlock.io.feature_table import FeatureTable, read_features

Config = VQVAEConfig | Mapping[str, Any] | str | os.PathLike[str] | None
"""A configuration, a mapping with some of its keys, the path of its file, or None for the production values."""

GROUPS = "labels/groups"
"""Value of ``split_by`` if ``groups`` are given and the configuration names no label."""


def training_inputs(
    features: Any,
    config: Config,
    keywords: Mapping[str, Any],
    *,
    feature_names: Sequence[str] | None = None,
    groups: Sequence[Any] | NDArray[Any] | None = None,
) -> tuple[VQVAEConfig, FeatureTable]:
    """Merge a configuration with keywords, and create the feature table.

    Parameters
    ----------
    features
        A :class:`~spinlock.io.feature_table.FeatureTable`, the path of a dataset, an array, a tensor or a data frame;
        or None for the table that the configuration names.
    config, keywords
        A configuration, its keys or its file, and keys that override it.
    feature_names
        Column names [D] of an array.
    groups
        Labels [N] of the operators. Operators with the same label are on the same side of the split. If they and the
        features are of pandas, both must have the same index.

    Returns
    -------
    config : VQVAEConfig
    table : FeatureTable

    Raises
    ------
    ConfigError
        A key is unknown, a value is out of range, or a key contradicts the table.
    DataError
        The features cannot be read, or an argument does not apply to them.
    """
    settings = resolve_config(config, keywords)
    if settings.verbose and ("verbose" in keywords or isinstance(config, Mapping)):
        problem = "verbose: the command train-vqvae prints more with it; a Python call prints nothing; pass callbacks"
        raise ConfigError([problem], where="Python call")
    if groups is not None and settings.split_by is None:
        settings = resolve_config(settings, {"split_by": GROUPS})
    if features is None:
        features = settings.input_path
    elif "input_path" in keywords:
        _check_path(features, settings.input_path)
    if isinstance(features, FeatureTable):
        settings, table = _with_table_keys(settings, features, feature_names), features
    else:
        table = read_features(
            features,
            family=settings.feature_family,
            feature_type=settings.feature_type,
            feature_names=feature_names,
            max_bytes=None if settings.max_table_mb is None else int(settings.max_table_mb * 2**20),
        )
    if groups is not None:
        check_row_labels({"features": features, "groups": groups})
        name = (settings.split_by or "").removeprefix("labels/")
        table = replace(table, labels=check_labels({name: groups}, table.num_operators))
    return settings, table


def _check_path(features: Any, input_path: Path) -> None:
    """Raise an error if the keyword ``input_path`` names another file than the features."""
    if isinstance(features, FeatureTable):
        source: str | None = features.path
    else:
        source = os.fspath(features) if isinstance(features, str | os.PathLike) else None
    if source is None or os.path.realpath(source) != os.path.realpath(input_path):
        shown = "features in memory" if source is None else f"the features of {source}"
        problem = f"input_path: got {str(input_path)!r} together with {shown}; pass only one of them"
        raise ConfigError([problem], where="Python call")


def _with_table_keys(settings: VQVAEConfig, table: FeatureTable, feature_names: Sequence[str] | None) -> VQVAEConfig:
    """Return the settings with the family and the type of a table; no argument may contradict the table."""
    if feature_names is not None:
        expected, remedy = "feature_names with an array only", "pass feature_names to read_features"
        raise DataError("feature_names are given with a table that has names", expected=expected, remedy=remedy)
    problems = []
    for key, value in (("feature_family", table.family), ("feature_type", table.feature_type)):
        given = getattr(settings, key)
        if key in settings.model_fields_set and given != value:
            problems.append(f"{key}: got {given!r}, and the table of features has {value!r}; remove the key")
    if problems:
        raise ConfigError(problems, where="Python call")
    return resolve_config(settings, {"feature_family": table.family, "feature_type": table.feature_type})
