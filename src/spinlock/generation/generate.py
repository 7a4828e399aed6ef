"""Generation of a dataset: make a plan, compute the blocks of this process in parallel, and merge the blocks.

>>> result = generate("configs/datasets/quickstart.yaml", "datasets/quickstart.h5", num_samples=64)  # doctest: +SKIP
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import torch

from spinlock.arguments import checked_instance
from spinlock.config.dataset import DatasetConfig
from spinlock.config.dataset_keywords import DatasetKeywords
from spinlock.features.extract import VERSION
from spinlock.generation.block_store import BlockStore
from spinlock.generation.callbacks import SILENT, GenerationCallback
from spinlock.generation.merge import merge_blocks
from spinlock.generation.parallel import computed_blocks
from spinlock.generation.plan import GenerationPlan, plan_generation
from spinlock.generation.plan_identity import PREDICTIONS
from spinlock.generation.shards import write_blocks
from spinlock.io.hdf5 import open_hdf5
from spinlock.operators.balance import Balance, balance
from spinlock.runtime.process_group import ProcessGroup
from spinlock.runtime.rendezvous import process_group
from spinlock.sharding.manifest import Manifest
from spinlock.sharding.shard import Shard


@dataclass(frozen=True)
class GenerationResult:
    """The result of :func:`generate`.

    Attributes
    ----------
    output
        Path of the file that was written.
    num_operators
        Number of operators in the file.
    num_computed
        Number of operators that all processes computed in this run; the others were computed before.
    num_diverged
        Number of operators with at least one diverged run.
    blow_up_bound
        Bound on |u|; a run that exceeds it is diverged.
    balance
        How evenly the parameters are sampled, or None if there are too few operators.
    seconds
        Duration of this run in seconds.
    was_complete
        Whether the file was complete before this run.
    """

    output: Path
    num_operators: int
    num_computed: int
    num_diverged: int
    blow_up_bound: float
    balance: Balance | None
    seconds: float
    was_complete: bool


def generate(
    config: str | Path | Mapping[str, Any] | DatasetConfig,
    output: str | Path | Shard,
    *,
    callback: GenerationCallback | None = None,
    resume: bool = False,
    overwrite: bool = False,
    command_line: str = "",
    **settings: Unpack[DatasetKeywords],
) -> GenerationResult:
    """Sample operators, roll them out, extract their features and write them as a dataset.

    Under ``torchrun`` each process computes a part of the blocks, and all processes return the same result.

    Parameters
    ----------
    config
        Path of a JSON or YAML file, a mapping of its keys, or a configuration.
    output
        Path of the dataset (HDF5), or a :class:`~spinlock.sharding.Shard` of it, whose unfinished run is continued.
    callback
        Called at each stage of the run; see :class:`~spinlock.generation.callbacks.GenerationCallback`.
    resume
        Whether to continue an unfinished run of this output. A complete dataset of the same configuration is accepted.
    overwrite
        Whether to replace an existing output.
    command_line
        Text that is stored in the file as the origin of the dataset.
    **settings
        Keys of the configuration that override ``config``.

    Returns
    -------
    GenerationResult

    Raises
    ------
    ConfigError
        The configuration is wrong; the message lists all problems.
    OutputError
        The output or an unfinished run exists, another process writes it, or there is not enough disk space.
    RunError
        There is not enough memory, or a block file is damaged.
    DataError
        The device does not exist, an argument has a wrong type, or there are more shards than operators.
    """
    started, callback = time.monotonic(), checked_instance("callback", callback or SILENT, GenerationCallback)
    with process_group() as group:
        plan = plan_generation(config, output, resume=resume, overwrite=overwrite, group=group, **settings)
        resume = resume or (plan.shard is not None and not overwrite)
        with _prepared_store(plan, group, resume=resume, overwrite=overwrite) as store:
            num_computed = 0 if plan.is_complete else _compute_blocks(plan, store, group, callback)
            if group.is_main and not plan.is_complete:
                callback.on_merge()
                _write(plan, store, overwrite=overwrite, command_line=command_line)
        result = _summarize(plan, num_computed, started) if group.is_main else None
        if result:
            callback.on_end(result)
        return group.broadcast_object(result)


@contextmanager
def _prepared_store(
    plan: GenerationPlan, group: ProcessGroup, *, resume: bool, overwrite: bool
) -> Iterator[BlockStore]:
    """Lock and prepare the directory of the block files in the main process.

    If the dataset is complete, a directory can remain from a process that was killed after it had written the dataset;
    then it is removed.
    """
    store = BlockStore(plan.output, plan.identity)
    with store.locked() if group.is_main else nullcontext():
        if group.is_main and plan.is_complete:
            store.remove()
        elif group.is_main:
            store.prepare(resume=resume, overwrite=overwrite)
        yield store


def _compute_blocks(plan: GenerationPlan, store: BlockStore, group: ProcessGroup, callback: GenerationCallback) -> int:
    """Compute the unfinished blocks of this process, and wait until all processes have finished.

    Returns
    -------
    int
        Number of operators that all processes computed.
    """
    group.barrier()  # until the store is prepared
    num_computed = sum(len(block.members) for block in plan.blocks if not store.has(block))
    group.barrier()  # until all processes have counted, because the first one then starts to write
    blocks = plan.blocks[group.rank :: group.world_size]
    callback.on_start(blocks, [block for block in blocks if store.has(block)], group)
    unfinished = [block for block in blocks if not store.has(block)]
    with computed_blocks(unfinished, plan.design, plan.rollout, plan.snapshots, plan.device, plan.workers) as results:
        for block, result in results:
            store.write(block, result)
            callback.on_block(block)
    if group.world_size > 1:
        callback.on_wait()
    group.barrier()
    return num_computed


def _write(plan: GenerationPlan, store: BlockStore, *, overwrite: bool, command_line: str) -> None:
    """Write the dataset or the shard from the finished blocks, and delete the files of the blocks."""
    attributes: dict[str, str | int | float] = {
        "features_version": VERSION,
        "configuration": plan.configuration,
        "command_line": command_line,
        "device_type": plan.device.type,
        "torch_version": str(torch.__version__),
    }
    if PREDICTIONS in plan.identity:
        attributes[PREDICTIONS] = plan.identity[PREDICTIONS]
    if plan.shard is None:
        merge_blocks(plan, store, overwrite=overwrite, attributes=attributes)
    else:
        write_blocks(plan, store, {"configuration": plan.configuration, "attributes": attributes})
    store.remove()


def _num_diverged(plan: GenerationPlan) -> int:
    """Return the number of operators of the written file that diverged."""
    if plan.shard is not None:
        return int(Manifest.read(plan.shard.manifest_path).summary["num_diverged"])
    with open_hdf5(plan.output) as file:
        return int(file["metadata/diverged"][()].sum())


def _summarize(plan: GenerationPlan, num_computed: int, started: float) -> GenerationResult:
    """Return the result of a run whose file is complete."""
    return GenerationResult(
        plan.output,
        plan.num_operators,
        num_computed,
        _num_diverged(plan),
        plan.rollout.blow_up_bound,
        balance(plan.design.operators) if plan.predictions is None else None,
        time.monotonic() - started,
        plan.is_complete,
    )
