"""Fixtures for every test."""

import os
import signal

# Set before a numeric library is loaded. The workers share the cores, small products are slower on several threads, and
# the tests of equal bits compare with subprocesses of one thread.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pytest

# A process in the background, or under nohup, may ignore signals, and so would every program that the tests signal.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(0)
