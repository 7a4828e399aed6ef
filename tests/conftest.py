"""Fixtures for every test."""

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator

# Set before a numeric library is loaded. The workers share the cores, small products are slower on several threads, and
# the tests of equal bits compare with subprocesses of one thread.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pytest

# A process in the background, or under nohup, may ignore signals, and so would every program that the tests signal.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


def pytest_configure(config: pytest.Config) -> None:
    """Keep byte code even if Python is set not to write it: each process would compile torch for seconds.

    The workers and all processes that the tests start inherit the environment.
    """
    cache = getattr(config, "cache", None)  # there is none with -p no:cacheprovider
    if sys.dont_write_bytecode and cache is not None:
        sys.dont_write_bytecode, sys.pycache_prefix = False, str(cache.mkdir("bytecode"))
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, then those with many tests, so that all workers end at the same time.

    A worker runs a whole file, and the fixtures of a module are made once. xdist would start the long files of one or
    two tests last.
    """
    counts = Counter(item.path for item in items)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path not in slow, -counts[item.path]))


@pytest.fixture(scope="session", autouse=True)
def _no_wait_for_the_disk() -> Iterator[None]:
    """Written files are not synced: this matters only if the machine loses power, and takes minutes in all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(0)
