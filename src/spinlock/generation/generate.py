"""Generation of a dataset: make a plan, compute the blocks of this process in parallel, and merge the shards.

>>> result = generate("configs/datasets/quickstart.yaml", "datasets/quickstart.h5", num_samples=64)  # doctest: +SKIP
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import torch

from spinlock.arguments import checked_instance
from spinlock.config.dataset import DatasetConfig
from spinlock.config.dataset_keywords import DatasetKeywords
from spinlock.features.extract import VERSION
from spinlock.generation.blocks import Block
from spinlock.generation.callbacks import SILENT, GenerationCallback
from spinlock.generation.compute_block import BlockResult, compute_block
from spinlock.generation.merge import merge_shards
from spinlock.generation.plan import GenerationPlan, plan_generation
from spinlock.generation.shards import ShardStore
from spinlock.io.hdf5 import open_hdf5
from spinlock.operators.balance import Balance, balance
from spinlock.runtime.process_group import ProcessGroup
from spinlock.runtime.rendezvous import process_group
from spinlock.runtime.threads import single_threaded, use_one_thread


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


class Stopped(KeyboardInterrupt):
    """Raised in the worker threads to end them when the run is interrupted."""


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
    stop = threading.Event()
    device = plan.device

    def check() -> None:
        if stop.is_set():
            raise Stopped

    def compute(block: Block) -> BlockResult:
        with _separate_stream(device):
            return compute_block(block, plan.design, plan.rollout, plan.snapshots, device, check)

    with (
        single_threaded(device),
        ThreadPoolExecutor(plan.workers, initializer=use_one_thread, initargs=(device,)) as pool,
    ):
        try:
            for block, result in _completed(pool, compute, unfinished, plan.workers + 1):
                store.write(block, result)
                callback.on_block(block)
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if group.world_size > 1:
        callback.on_wait()
    group.barrier()
    return num_computed


def _completed(
    pool: ThreadPoolExecutor, compute: Callable[[Block], BlockResult], blocks: Sequence[Block], max_pending: int
) -> Iterator[tuple[Block, BlockResult]]:
    """Yield results in the order of completion; at most ``max_pending`` blocks are submitted at the same time."""
    remaining = iter(blocks)
    pending: dict[Future[BlockResult], Block] = {}
    while True:
        for block in remaining:
            pending[pool.submit(compute, block)] = block
            if len(pending) >= max_pending:
                break
        if not pending:
            return
        finished, _ = wait(pending, return_when=FIRST_COMPLETED)
        for future in finished:
            yield pending.pop(future), future.result()


@contextmanager
def _separate_stream(device: torch.device) -> Iterator[None]:
    """Use a separate CUDA stream in a ``with`` block, so that the blocks of different threads overlap."""
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    with torch.cuda.device(device), torch.cuda.stream(stream):
        yield


def _merge(plan: GenerationPlan, store: ShardStore, *, overwrite: bool, command_line: str) -> None:
    """Merge the shards into the dataset, and delete them."""
    attributes: dict[str, str | int | float] = {
        "features_version": VERSION,
        "configuration": plan.configuration,
        "command_line": command_line,
        "device_type": plan.device.type,
        "torch_version": str(torch.__version__),
    }
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
        balance(operators),
        time.monotonic() - started,
        plan.is_complete,
    )
