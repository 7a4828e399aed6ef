"""The plan of a generation: configuration, operators, blocks and device, and the check of an existing output."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import torch

from spinlock.config import dump_config
from spinlock.config.dataset import DatasetConfig, GenerationRuntime, OperatorSettings, RolloutSettings
from spinlock.config.dataset_keywords import DatasetKeywords
from spinlock.config.loading import resolve_dataset_config
from spinlock.generation.assignment import blocks_of_shard
from spinlock.generation.block_store import BlockStore
from spinlock.generation.blocks import BLOCK_SIZES, Block, plan_blocks
from spinlock.generation.budget import Estimate, check_disk, check_memory, estimate_budget
from spinlock.generation.design import Design, make_design
from spinlock.generation.given_design import predicted_design
from spinlock.generation.plan_identity import PREDICTIONS, check_same_dataset, identity_of
from spinlock.generation.snapshots import SnapshotPlan
from spinlock.io.atomic import check_writable
from spinlock.io.predictions.reading import PredictedOperators
from spinlock.runtime.device import choose_device
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.runtime.threads import available_cores
from spinlock.sharding.manifest import Work, ranges_of
from spinlock.sharding.shard import Shard, output_and_shard
from spinlock.sharding.writing import finished_shard

COMMAND = "generate"


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
        The blocks of operators: all of them, or those of the shard.
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
    shard
        The shard that ``output`` is, or None for the whole dataset.
    num_blocks
        Number of blocks of the whole dataset.
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
    shard: Shard | None
    num_blocks: int

    @property
    def num_operators(self) -> int:
        """Number of operators in the blocks."""
        return sum(len(block.members) for block in self.blocks)

    def estimate(self) -> Estimate:
        """Estimate time, disk space and memory; this runs a few steps of each family of operators."""
        return estimate_budget(self.blocks, self.design, self.rollout, self.device, self.workers)


def plan_generation(
    config: str | Path | Mapping[str, Any] | DatasetConfig,
    output: str | Path | Shard,
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
        Path of the dataset (HDF5), or a shard of it.
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
        The device does not exist, or there are more shards than operators.
    """
    resolved, (target, shard) = resolve_dataset_config(config, settings), output_and_shard(output)
    device = choose_device(resolved.device, local_rank=group.local_rank, local_world_size=group.local_world_size)
    plan = plan_of(resolved, target, device, shard=shard, group=group)
    is_complete = group.is_main and _is_complete(plan, resume=resume, overwrite=overwrite)
    if group.is_main and not is_complete:
        inputs = _inputs(config, resolved.from_predictions)
        check_writable(target, overwrite=overwrite or shard is not None, inputs=inputs)
        written = BlockStore(target, plan.identity).size() if resume or shard is not None else 0
        fraction = plan.num_operators / plan.design.operators.count
        check_disk(plan.design.operators, resolved, target, written=written, fraction=fraction)
        if plan.blocks:
            check_memory(plan.blocks, resolved, device, plan.workers)
    return replace(plan, is_complete=group.any(is_complete))


def plan_of(
    config: DatasetConfig,
    output: Path,
    device: torch.device,
    *,
    shard: Shard | None = None,
    group: ProcessGroup = SINGLE,
) -> GenerationPlan:
    """Return the plan of a configuration, without a check of the output.

    Parameters
    ----------
    config
        The configuration.
    output
        File to write.
    device
        Device of the computation.
    shard
        The shard that the file is, or None for the whole dataset.
    group
        The processes of the run.

    Raises
    ------
    DataError
        The predicted operators cannot be read, or there are more shards than operators.
    """
    design, origin = _design(config, config.from_predictions)
    if shard is not None:
        shard.check_count(design.operators.count, "operators")
    blocks = plan_blocks(design.operators, device.type)
    own = blocks_of_shard(blocks, shard)
    workers = max(1, min(_num_workers(config, device, group), len(own)))
    snapshots = SnapshotPlan.make(design.operators, config)
    return GenerationPlan(
        output,
        dump_config(config),
        identity_of(config, device) | origin,
        config,
        design,
        own,
        snapshots,
        device,
        workers,
        is_complete=False,
        predictions=config.from_predictions,
        shard=shard,
        num_blocks=len(blocks),
    )


def shard_work(plan: GenerationPlan, settings: Mapping[str, Any] | None = None) -> Work:
    """Return what the manifest of a shard says of its content; ``settings`` is what the join needs in addition."""
    assert plan.shard is not None
    ranges = ranges_of([block.number for block in plan.blocks])
    command, added = list(plan.shard.command), dict(settings or {})
    return Work(COMMAND, "blocks", plan.num_blocks, ranges, dict(plan.identity), added, command)


def _is_complete(plan: GenerationPlan, *, resume: bool, overwrite: bool) -> bool:
    """Return whether the output is already there, or raise an error if it belongs to another plan."""
    if plan.shard is not None:
        return finished_shard(plan.shard, shard_work(plan), overwrite=overwrite) is not None
    if not (resume and not overwrite and plan.output.exists()):
        return False
    origin = {key: value for key, value in plan.identity.items() if key == PREDICTIONS}
    check_same_dataset(plan.output, plan.configuration, origin)
    return True


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


def _num_workers(settings: GenerationRuntime, device: torch.device, group: ProcessGroup) -> int:
    """Return the number of blocks that are computed at the same time.

    By default it is one for each core of the process. On a GPU it is two, so that the random numbers of one block are
    drawn while the other one is computed.
    """
    if settings.batch_size is not None:
        return max(1, settings.batch_size // BLOCK_SIZES[device.type][0])
    return 2 if device.type == "cuda" else max(1, available_cores() // group.local_world_size)
