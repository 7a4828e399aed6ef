"""Fixtures for every test."""

import os
import signal

# Before anything loads a numeric library: workers share the cores, and small products are slower on several threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

# What is started in the background may ignore interrupts, and so would every program that the tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(0)
