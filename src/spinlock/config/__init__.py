"""The configuration of a training run: one flat, frozen, strict object, and the files it is read from.

Each part of the program is typed against the section it needs; :class:`VQVAEConfig` is all of them at once.
"""

from spinlock.config.data import CleaningSettings, DataSettings
from spinlock.config.loading import config_from_mapping, load_config
from spinlock.config.model import CategorySettings, LevelFactors, LevelTriple, ModelSettings
from spinlock.config.run import CheckpointSettings, RuntimeSettings
from spinlock.config.text import dump_config
from spinlock.config.training import CodebookSettings, LossSettings, OptimisationSettings
from spinlock.config.vqvae import VQVAEConfig, config_schema

__all__ = [
    "CategorySettings",
    "CheckpointSettings",
    "CleaningSettings",
    "CodebookSettings",
    "DataSettings",
    "LevelFactors",
    "LevelTriple",
    "LossSettings",
    "ModelSettings",
    "OptimisationSettings",
    "RuntimeSettings",
    "VQVAEConfig",
    "config_from_mapping",
    "config_schema",
    "dump_config",
    "load_config",
]
