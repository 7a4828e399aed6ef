"""What a result depends on: the dataset, the versions, the device; and what tells one run from another."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from spinlock import __version__
from spinlock.preprocessing.training_data import FeatureTable


def run_identity(content: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the checkpoints of one run have in common, also when it went on under another command line or version."""
    provenance = content["provenance"]
    return content["dataset"], content["model_spec"], provenance["seeds"], provenance["started"]


def dataset_identity(table: FeatureTable) -> dict[str, Any]:
    """What makes two tables the same: content, names and shape."""
    return {
        "sha256": table.sha256,
        "names_sha256": hashlib.sha256("\n".join(table.names).encode()).hexdigest(),
        "family": table.family,
        "feature_type": table.feature_type,
        "num_operators": table.num_operators,
        "rows_per_operator": table.rows_per_operator,
    }


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    return {
        "spinlock": __version__,
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def environment(device: torch.device) -> dict[str, Any]:
    """What bit-equality of a resumed run depends on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return versions() | {"device": device.type, "device_name": name, "threads": torch.get_num_threads()}
