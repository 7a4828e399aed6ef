"""What a result depends on: the dataset, the versions, the device."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from spinlock import __version__
from spinlock.io.feature_table import FeatureTable


@dataclass(frozen=True)
class DatasetIdentity:
    """Content, column names and shape of a table: two tables with equal identities are the same dataset."""

    sha256: str
    names_sha256: str
    family: str
    feature_type: str
    num_operators: int
    rows_per_operator: int

    @classmethod
    def of(cls, table: FeatureTable) -> DatasetIdentity:
        """The identity of a table."""
        return cls(
            sha256=table.sha256,
            names_sha256=hashlib.sha256("\n".join(table.names).encode()).hexdigest(),
            family=table.family,
            feature_type=table.feature_type,
            num_operators=table.num_operators,
            rows_per_operator=table.rows_per_operator,
        )


@dataclass(frozen=True)
class Provenance:
    """How a run was started; it stays when the run is resumed by another command or version."""

    versions: dict[str, str]
    command_line: str
    started: str
    seeds: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as stored in a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Provenance:
        """Inverse of :meth:`to_dict`."""
        return cls(dict(values["versions"]), values["command_line"], values["started"], dict(values["seeds"]))


def versions() -> dict[str, str]:
    """Versions of the software that a result depends on."""
    return {
        "spinlock": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, device and threads: where all of them are equal, a resumed run gives the same bits."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return versions() | {"device": device.type, "device_name": name, "threads": torch.get_num_threads()}
