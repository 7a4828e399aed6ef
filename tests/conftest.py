"""Fixtures for every test."""

import os

# Before anything loads a numeric library: workers share the cores, and small products are slower on several threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed."""
    return np.random.default_rng(0)
