"""The configurations of training runs and of a dataset: flat, frozen and strict objects, and their files.

:class:`VQVAEConfig`, :class:`ANOConfig` and :class:`DatasetConfig` inherit from all their sections. A function takes
the section that it needs.
"""

from spinlock.config.ano import ANOConfig
from spinlock.config.data import CleaningSettings, DataSettings
from spinlock.config.dataset import DatasetConfig
from spinlock.config.loading import (
    config_from_mapping,
    load_ano_config,
    load_config,
    load_dataset_config,
    resolve_config,
)
from spinlock.config.model import CategorySettings, LevelFactors, LevelTriple, ModelSettings
from spinlock.config.run import CheckpointSettings, RuntimeSettings
from spinlock.config.text import dump_config
from spinlock.config.training import CodebookSettings, LossSettings, OptimizationSettings
from spinlock.config.vqvae import VQVAEConfig, config_schema

__all__ = [
    "ANOConfig",
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
    "load_ano_config",
    "load_config",
    "load_dataset_config",
    "resolve_config",
]
