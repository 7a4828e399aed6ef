"""Generation of a dataset: make a plan, compute the blocks of this process in parallel, and merge the shards.

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
from spinlock.generation.callbacks import SILENT, GenerationCallback
from spinlock.generation.merge import merge_shards
from spinlock.generation.parallel import computed_blocks
from spinlock.generation.plan import PREDICTIONS, GenerationPlan, plan_generation
from spinlock.generation.shards import ShardStore
from spinlock.io.hdf5 import open_hdf5
from spinlock.operators.balance import Balance, balance
from spinlock.runtime.process_group import ProcessGroup
from spinlock.runtime.rendezvous import process_group


@dataclass(frozen=True)
class GenerationResult:
    """The result of :func:`generate`.

    Attributes
    ----------
    output
        Path of the dataset.
    num_operators
        Number of operators in the dataset.
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
        Whether the dataset was complete before this run.
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
    output: str | Path,
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
        Path of the dataset (HDF5).
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
        There is not enough memory, or a shard is damaged.
    DataError
        The device does not exist, or an argument has a wrong type.
    """
    started, callback = time.monotonic(), checked_instance("callback", callback or SILENT, GenerationCallback)
    with process_group() as group:
        plan = plan_generation(config, output, resume=resume, overwrite=overwrite, group=group, **settings)
        with _prepared_store(plan, group, resume=resume, overwrite=overwrite) as store:
            num_computed = 0 if plan.is_complete else _compute_blocks(plan, store, group, callback)
            if group.is_main and not plan.is_complete:
                callback.on_merge()
                _merge(plan, store, overwrite=overwrite, command_line=command_line)
        result = _summarize(plan, num_computed, started) if group.is_main else None
        if result:
            callback.on_end(result)
        return group.broadcast_object(result)


@contextmanager
def _prepared_store(
    plan: GenerationPlan, group: ProcessGroup, *, resume: bool, overwrite: bool
) -> Iterator[ShardStore]:
    """Lock and prepare the directory of the shards in the main process.

    If the dataset is complete, a directory can remain from a process that was killed after it had written the dataset;
    then it is removed.
    """
    store = ShardStore(plan.output, plan.identity)
    with store.locked() if group.is_main else nullcontext():
        if group.is_main and plan.is_complete:
            store.remove()
        elif group.is_main:
            store.prepare(resume=resume, overwrite=overwrite)
        yield store


def _compute_blocks(plan: GenerationPlan, store: ShardStore, group: ProcessGroup, callback: GenerationCallback) -> int:
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


def _merge(plan: GenerationPlan, store: ShardStore, *, overwrite: bool, command_line: str) -> None:
    """Merge the shards into the dataset, and delete them."""
    attributes: dict[str, str | int | float] = {
        "features_version": VERSION,
        "configuration": plan.configuration,
        "command_line": command_line,
        "device_type": plan.device.type,
        "torch_version": str(torch.__version__),
    }
    if PREDICTIONS in plan.identity:
        attributes[PREDICTIONS] = plan.identity[PREDICTIONS]
    merge_shards(plan, store, overwrite=overwrite, attributes=attributes)
    store.remove()


def _summarize(plan: GenerationPlan, num_computed: int, started: float) -> GenerationResult:
    """Return the result of a run whose dataset is complete."""
    with open_hdf5(plan.output) as file:
        num_diverged = int(file["metadata/diverged"][()].sum())
    operators = plan.design.operators
    return GenerationResult(
        plan.output,
        operators.count,
        num_computed,
        num_diverged,
        plan.rollout.blow_up_bound,
        balance(operators) if plan.predictions is None else None,
        time.monotonic() - started,
        plan.is_complete,
    )
