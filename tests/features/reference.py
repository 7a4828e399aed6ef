"""Reference values of features and rollouts. Write them for a new version with ``python -m tests.features.reference``.

The version of the features has to increase when one of these values changes, by a feature or by a rollout, because
features of different versions are not comparable.
"""

import json
from pathlib import Path

import numpy as np
import torch

from spinlock.features.extract import VERSION, describe
from spinlock.operators.neural import NeuralOperator
from spinlock.operators.pde import FAMILIES

FILE = Path(__file__).parent / f"reference_v{VERSION}.json"
SIDE, STRIDE = 32, 11


def feature_values() -> dict[str, float]:
    """The features of two runs of 24 frames with two channels: moving waves of several lengths, and noise."""
    rng = np.random.default_rng(0)
    y, x = np.meshgrid(np.arange(SIDE) / SIDE, np.arange(SIDE) / SIDE, indexing="ij")
    time = np.arange(24)[:, None, None]
    frames = np.zeros((2, 24, 2, SIDE, SIDE))
    for run in range(2):
        for channel in range(2):
            for n_x, n_y in ((1, 0), (2, 1), (3, -2), (5, 4), (7, 1)):
                growth, speed, phase, amplitude = rng.standard_normal(4) * (0.02, 0.05, 3.0, 1.0)
                angle = 2 * np.pi * (n_x * x + n_y * y - speed * time) + phase
                frames[run, :, channel] += amplitude * np.exp(growth * time) * np.cos(angle)
    return describe(frames + 0.5 + 0.2 * rng.standard_normal(frames.shape))


def rollout_values() -> dict[str, list[float]]:
    """For each family, the last of four frames at 3 x 3 points of each channel."""
    values = {}
    for name, operator in (*FAMILIES.items(), ("neural", NeuralOperator())):
        frame = operator.rollout(torch.from_numpy(operator.initial(0, SIDE)), steps=4)[-1]
        values[name] = frame[:, ::STRIDE, ::STRIDE].flatten().tolist()
    return values


if __name__ == "__main__":
    FILE.write_text(json.dumps({"features": feature_values(), "rollouts": rollout_values()}, indent=1) + "\n")
