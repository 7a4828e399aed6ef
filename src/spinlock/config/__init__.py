"""The configurations of a training run and of a dataset: flat, frozen, strict objects, and the files they come from.

Each part of the program is typed against the section it needs; :class:`VQVAEConfig` and :class:`DatasetConfig` are
all of them at once.
"""

from spinlock.config.data import CleaningSettings, DataSettings
from spinlock.config.dataset import DatasetConfig
from spinlock.config.loading import config_from_mapping, load_config, load_dataset_config
from spinlock.config.model import CategorySettings, LevelFactors, LevelTriple, ModelSettings
from spinlock.config.run import CheckpointSettings, RuntimeSettings
from spinlock.config.text import dump_config
from spinlock.config.training import CodebookSettings, LossSettings, OptimizationSettings
from spinlock.config.vqvae import VQVAEConfig, config_schema

__all__ = [
    "CategorySettings",
    "CheckpointSettings",
    "CleaningSettings",
    "CodebookSettings",
    "DataSettings",
    "DatasetConfig",
    "LevelFactors",
    "LevelTriple",
    "LossSettings",
    "ModelSettings",
    "OptimizationSettings",
    "RuntimeSettings",
    "VQVAEConfig",
    "config_from_mapping",
    "config_schema",
    "dump_config",
    "load_config",
    "load_dataset_config",
]
