"""Small dataset configurations for tests."""

from typing import Any

from spinlock.config import DatasetConfig


def small_config(**changes: Any) -> DatasetConfig:
    """A configuration with a small grid, five frames, two families and small networks, with ``changes``."""
    values: dict[str, Any] = {
        "num_samples": 24,
        "grid_size": 16,
        "num_steps": 5,
        "warmup_steps": 1,
        "num_realizations": 2,
        "families": ["advection_diffusion", "gray_scott"],
        "neural_fraction": 0.25,
        "neural_depths": [2, 3],
        "neural_widths": [4],
        "neural_kernels": [3],
        "initial_wavenumber": [2.0, 3.0],
        "device": "cpu",
    }
    return DatasetConfig.model_validate({**values, **changes})
