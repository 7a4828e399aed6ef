"""Identity of the dataset, and provenance of a run: software versions, hardware, command line and seeds."""

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
    """Hashes of the content and of the column names of a table, and its shape. Equal tables have equal identities."""

    sha256: str
    names_sha256: str
    family: str
    feature_type: str
    num_operators: int
    rows_per_operator: int

    @classmethod
    def of(cls, table: FeatureTable) -> DatasetIdentity:
        """Return the identity of a table."""
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
    """How a run was started. It does not change if the run is resumed by another command or version."""

    versions: dict[str, str]
    command_line: str
    started: str
    seeds: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the values as plain data, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Provenance:
        """Restore a provenance from the result of :meth:`to_dict`."""
        return cls(dict(values["versions"]), values["command_line"], values["started"], dict(values["seeds"]))


def versions() -> dict[str, str]:
    """Return the versions of the software on which a result depends."""
    return {
        "spinlock": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def environment(device: torch.device) -> dict[str, Any]:
    """Return versions, device and number of threads. If all are equal, a resumed run is reproducible bit for bit."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return versions() | {"device": device.type, "device_name": name, "threads": torch.get_num_threads()}
