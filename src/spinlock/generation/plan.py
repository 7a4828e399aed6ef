"""The plan of a generation: configuration, operators, blocks and device, and the check of an existing output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Unpack

import torch

from spinlock.config import dump_config
from spinlock.config.dataset import DatasetConfig, GenerationRuntime, OperatorSettings, RolloutSettings
from spinlock.config.dataset_keywords import DatasetKeywords
from spinlock.config.loading import resolve_dataset_config
from spinlock.config.section import Section, identity_keys
from spinlock.config.text import parse_value
from spinlock.errors import OutputError
from spinlock.features.extract import VERSION
from spinlock.generation.blocks import BLOCK_SIZES, Block, plan_blocks
from spinlock.generation.budget import Estimate, check_disk, check_memory, estimate_budget
from spinlock.generation.design import Design, make_design
from spinlock.generation.given_design import predicted_design
from spinlock.generation.shards import ShardStore
from spinlock.generation.snapshots import SnapshotPlan
from spinlock.io.atomic import check_writable
from spinlock.io.hdf5 import open_hdf5
from spinlock.io.predictions.reading import PredictedOperators
from spinlock.paths import user_path
from spinlock.runtime.device import choose_device
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.runtime.threads import available_cores

PREDICTIONS = "predictions_sha256"
"""Key of the identity, and attribute of the dataset, with the hash of the predicted operators."""


@dataclass(frozen=True)
class GenerationPlan:
    """Everything that is decided before the first block is computed.

    Attributes
    ----------
    output
        Path of the dataset.
    configuration
        The complete configuration as YAML.
    identity
        Everything on which the data depend: settings, versions of the libraries and of the features, type of the
        device.
    rollout
        Grid, number of steps and realizations, and the bound on field values.
    design
        The sampled operators.
    blocks
        All blocks of operators.
    snapshots
        The operators and frames that are stored as snapshots.
    device
        Device of this process.
    workers
        Number of blocks that this process computes at the same time.
    is_complete
        Whether ``output`` already contains the dataset of this plan, so that nothing has to be computed.
    predictions
        File of the predicted operators, or None if the operators are sampled.
    """

    output: Path
    configuration: str
    identity: Mapping[str, Any]
    rollout: RolloutSettings
    design: Design
    blocks: Sequence[Block]
    snapshots: SnapshotPlan
    device: torch.device
    workers: int
    is_complete: bool
    predictions: Path | None

    def estimate(self) -> Estimate:
        """Estimate time, disk space and memory; this runs a few steps of each family of operators."""
        return estimate_budget(self.blocks, self.design, self.rollout, self.device, self.workers)


def plan_generation(
    config: str | Path | Mapping[str, Any] | DatasetConfig,
    output: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    group: ProcessGroup = SINGLE,
    **settings: Unpack[DatasetKeywords],
) -> GenerationPlan:
    """Plan a generation without computing or writing anything.

    Parameters
    ----------
    config
        Path of a JSON or YAML file, a mapping of its keys, or a configuration.
    output
        Path of the dataset (HDF5).
    resume
        Whether an unfinished run of this output, or a complete dataset of the same configuration, is accepted.
    overwrite
        Whether an existing output is replaced.
    group
        The processes of the run; only the main process checks the output, the disk space and the memory.
    **settings
        Keys of the configuration that override ``config``, such as ``num_samples=100``.

    Returns
    -------
    GenerationPlan

    Raises
    ------
    ConfigError
        The configuration is wrong; the message lists all problems.
    OutputError
        The output exists, cannot be written, or does not fit on the disk.
    RunError
        The blocks do not fit in memory.
    DataError
        The device does not exist.
    """
    resolved, output = resolve_dataset_config(config, settings), user_path(output, "output")
    device = choose_device(resolved.device, local_rank=group.local_rank, local_world_size=group.local_world_size)
    design, origin = _design(resolved, resolved.from_predictions)
    snapshots = SnapshotPlan.make(design.operators, resolved)
    blocks = plan_blocks(design.operators, device.type)
    workers = min(_num_workers(resolved, device, group), len(blocks))
    identity = _identity(resolved, device) | origin
    is_complete = group.is_main and resume and not overwrite and output.exists()
    if is_complete:
        _check_same_dataset(output, dump_config(resolved), origin)
    elif group.is_main:
        check_writable(output, overwrite=overwrite, inputs=_inputs(config, resolved.from_predictions))
        check_disk(design.operators, resolved, output, written=ShardStore(output, identity).size() if resume else 0)
        check_memory(blocks, resolved, device, workers)
    is_complete = group.any(is_complete)
    parts = identity, resolved, design, blocks, snapshots, device, workers, is_complete, resolved.from_predictions
    return GenerationPlan(output, dump_config(resolved), *parts)


def _inputs(config: object, predictions: Path | None) -> list[str | Path]:
    """Return the paths that a run reads."""
    paths = (config if isinstance(config, str | Path) else None, predictions)
    return [path for path in paths if path is not None]


def _design(settings: OperatorSettings, predictions: Path | None) -> tuple[Design, dict[str, str]]:
    """Return the design of sampled or predicted operators, and what identifies the predictions."""
    if predictions is None:
        return make_design(settings), {}
    predicted = PredictedOperators.read(predictions)
    return predicted_design(predicted, settings), {PREDICTIONS: predicted.sha256}


def _identity(settings: Section, device: torch.device) -> dict[str, Any]:
    """Return everything on which the data depend: the configuration, the type of the device, and versions."""
    return {
        **settings.model_dump(mode="json", include=set(identity_keys(type(settings)))),
        "features_version": VERSION,
        "device_type": device.type,
        "versions": {name: version(name) for name in ("torch", "numpy", "scipy")},
    }


def _num_workers(settings: GenerationRuntime, device: torch.device, group: ProcessGroup) -> int:
    """Return the number of blocks that are computed at the same time.

    By default it is one for each core of the process. On a GPU it is two, so that the random numbers of one block are
    drawn while the other one is computed.
    """
    if settings.batch_size is not None:
        return max(1, settings.batch_size // BLOCK_SIZES[device.type][0])
    return 2 if device.type == "cuda" else max(1, available_cores() // group.local_world_size)


def _check_same_dataset(output: Path, configuration: str, origin: Mapping[str, str]) -> None:
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
