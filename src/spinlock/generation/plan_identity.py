"""What identifies a dataset, and the check that an existing dataset is the one of a plan."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from spinlock import __version__
from spinlock.config.dataset import DatasetConfig
from spinlock.config.section import Section, identity_keys
from spinlock.config.text import parse_value
from spinlock.errors import OutputError
from spinlock.features.extract import VERSION
from spinlock.io.hdf5 import open_hdf5
from spinlock.sharding.versions import library_versions

PREDICTIONS = "predictions_sha256"
"""Key of the identity, and attribute of the dataset, with the hash of the predicted operators."""


def identity_of(settings: Section, device: torch.device) -> dict[str, Any]:
    """Return everything on which the data depend: the configuration, the type of the device, and versions."""
    return {
        **settings.model_dump(mode="json", include=set(identity_keys(type(settings)))),
        "program_version": __version__,
        "features_version": VERSION,
        "device_type": device.type,
        "versions": library_versions("torch", "numpy", "scipy"),
    }


def check_same_dataset(output: Path, configuration: str, origin: Mapping[str, str]) -> None:
    """Raise an :class:`OutputError` unless an existing dataset was generated from the same settings and predictions."""
    with open_hdf5(output) as file:
        stored, features_version = file.attrs.get("configuration"), file.attrs.get("features_version")
        same_origin = all(file.attrs.get(name) == value for name, value in origin.items())
    if not same_origin:
        raise OutputError(
            "exists already and was generated from other predictions",
            where=str(output),
            remedy="choose another output, or pass overwrite=True to replace it",
        )
    if features_version != VERSION:
        raise OutputError(
            f"has features of version {features_version}",
            where=str(output),
            expected=f"version {VERSION}",
            remedy="pass overwrite=True to replace it",
        )
    keys = identity_keys(DatasetConfig)
    if not isinstance(stored, str) or _select(stored, keys) != _select(configuration, keys):
        other_keys = ", ".join(sorted(set(DatasetConfig.model_fields) - keys))
        raise OutputError(
            "exists already and was generated from another configuration",
            where=str(output),
            expected=f"the same configuration ({other_keys} may differ)",
            remedy="choose another output, or pass overwrite=True to replace it",
        )


def _select(configuration: str, keys: frozenset[str]) -> dict[str, Any]:
    """Return the given keys of a configuration, which is YAML text; a file can be older than some keys."""
    values = parse_value(configuration)
    if not isinstance(values, dict):
        return {}
    return {key: value for key, value in ({"save_fields": 0, "from_predictions": None} | values).items() if key in keys}
