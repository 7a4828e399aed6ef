"""Generation from end to end: plan the blocks, compute this process's share, join the parts."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import torch

from spinlock.config.dataset import DatasetConfig
from spinlock.config.text import parse_value
from spinlock.features.extract import VERSION
from spinlock.generation.block import BlockResult, compute_block
from spinlock.generation.blocks import SIZE, Block, plan_blocks
from spinlock.generation.budget import check_disk, check_memory
from spinlock.generation.design import operators_of
from spinlock.generation.merge import merge_shards
from spinlock.generation.shards import ShardStore
from spinlock.io.atomic import check_writable
from spinlock.operators.sampling import Balance, Operators, balance
from spinlock.runtime.device import choose_device
from spinlock.runtime.process_group import ProcessGroup
from spinlock.runtime.rendezvous import process_group
from spinlock.runtime.threads import available_cores, single_threaded, use_one_thread

NOT_IDENTITY = ("batch_size", "device")
"""Keys that may change from one process to the next: the data do not depend on them."""


class Observer(Protocol):
    """Hears how a run goes on."""

    def planned(self, blocks: Sequence[Block], done: Sequence[Block], share: ProcessGroup) -> None:
        """The blocks of this process, and those of them that an earlier one had finished."""

    def computed(self, block: Block) -> None:
        """A block is done and on disk."""

    def waiting(self) -> None:
        """This process is done and waits for the others."""

    def joining(self) -> None:
        """All blocks are there; the dataset is being written."""


@dataclass(frozen=True)
class Generated:
    """What a run made: how many operators had a run that blew up, how even the sample is, and how long it took.

    ``fresh`` operators were computed now, by all processes together; the others had been before.
    """

    operators: Operators
    fresh: int
    diverged: int
    balance: Balance | None
    seconds: float


class Stopped(KeyboardInterrupt):
    """The run was asked to stop; what is done is on disk."""


def generate(
    config: DatasetConfig,
    output: Path,
    observer: Observer,
    *,
    resume: bool = False,
    overwrite: bool = False,
    command_line: str = "",
) -> Generated | None:
    """Make the dataset ``output``; every process but the first returns None.

    Raises:
        OutputError: the output or an unfinished run is there, or there is not enough room for it.
        DataError: the device is not there.
    """
    started = time.monotonic()
    with process_group() as group:
        device = choose_device(config.device, local_rank=group.local_rank, local_world_size=group.local_world_size)
        operators = operators_of(config)
        blocks = plan_blocks(operators, device.type)
        store = ShardStore(output)
        if group.is_main:
            check_writable(output, overwrite=overwrite)
            check_disk(config, operators, output, there=store.size() if resume else 0)
            check_memory(config, blocks, device, at_once(config, device, group))
            store.prepare(identity(config, device), resume=resume, overwrite=overwrite)
        group.barrier()
        done = sum(len(block.members) for block in blocks if store.has(block))
        group.barrier()
        _compute_share(blocks[group.rank :: group.world_size], operators, config, device, store, group, observer)
        if group.world_size > 1:
            observer.waiting()
        group.barrier()
        if not group.is_main:
            return None
        observer.joining()
        attributes = {"command_line": command_line, "device_type": device.type, "torch_version": str(torch.__version__)}
        blow_up = merge_shards(store, blocks, operators, config, output, overwrite=overwrite, attributes=attributes)
        store.remove()
        diverged = int((blow_up > 0).any(1).sum())
        return Generated(operators, operators.count - done, diverged, balance(operators), time.monotonic() - started)


def identity(config: DatasetConfig, device: torch.device) -> dict[str, Any]:
    """What has to be equal for parts to belong to one dataset."""
    values = config.model_dump(mode="json", exclude=set(NOT_IDENTITY))
    versions = {name: version(name) for name in ("torch", "numpy", "scipy")}
    return {**values, "features_version": VERSION, "device_type": device.type, "versions": versions}


def same_dataset(first: str, second: str) -> bool:
    """Whether two configurations, as YAML, make the same data."""
    one, other = (
        {key: value for key, value in values.items() if key not in NOT_IDENTITY}
        for values in (parse_value(first), parse_value(second))
        if isinstance(values, dict)
    )
    return one == other


def _compute_share(
    blocks: Sequence[Block],
    operators: Operators,
    config: DatasetConfig,
    device: torch.device,
    store: ShardStore,
    group: ProcessGroup,
    observer: Observer,
) -> None:
    done = [block for block in blocks if store.has(block)]
    observer.planned(blocks, done, group)
    waiting = [block for block in blocks if not store.has(block)]
    workers = at_once(config, device, group)
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Stopped

    def work(block: Block) -> BlockResult:
        with _on_own_stream(device):
            return compute_block(block, operators, config, device, check)

    with single_threaded(device), ThreadPoolExecutor(workers, initializer=use_one_thread, initargs=(device,)) as pool:
        try:
            for block, result in _in_flight(pool, work, waiting, workers + 1):
                store.write(block, result)
                observer.computed(block)
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _in_flight(
    pool: ThreadPoolExecutor, work: Callable[[Block], BlockResult], blocks: Sequence[Block], most: int
) -> Iterator[tuple[Block, BlockResult]]:
    """Results as they come, with at most ``most`` blocks handed out and not yet taken."""
    left = iter(blocks)
    flying: dict[Future[BlockResult], Block] = {}
    while True:
        for block in left:
            flying[pool.submit(work, block)] = block
            if len(flying) >= most:
                break
        if not flying:
            return
        finished, _ = wait(flying, return_when=FIRST_COMPLETED)
        for future in finished:
            yield flying.pop(future), future.result()


def at_once(config: DatasetConfig, device: torch.device, group: ProcessGroup) -> int:
    """Blocks computed at the same time: one for each core of this process's share, two on a GPU to hide the draws."""
    if config.batch_size is not None:
        return max(1, config.batch_size // SIZE[device.type][0])
    return 2 if device.type == "cuda" else max(1, available_cores() // group.local_world_size)


@contextmanager
def _on_own_stream(device: torch.device) -> Iterator[None]:
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    with torch.cuda.device(device), torch.cuda.stream(stream):
        yield
