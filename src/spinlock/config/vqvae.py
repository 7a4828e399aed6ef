"""The whole configuration: every section in one flat object, and its JSON schema."""

from typing import Any, ClassVar

from spinlock.config.data import CleaningSettings, DataSettings
from spinlock.config.model import CategorySettings, ModelSettings
from spinlock.config.run import CheckpointSettings, RuntimeSettings
from spinlock.config.schema import file_schema
from spinlock.config.training import CodebookSettings, LossSettings, OptimizationSettings


# pydantic collects fields from the last base to the first: read upwards, this is the order of the keys.
class VQVAEConfig(
    RuntimeSettings,
    CheckpointSettings,
    CodebookSettings,
    LossSettings,
    OptimizationSettings,
    ModelSettings,
    CategorySettings,
    CleaningSettings,
    DataSettings,
):
    """Everything ``train-vqvae`` can be told. The defaults are the production values.

    It is an instance of each section, so that it can be handed to code that asks for one of them.
    """

    listing: ClassVar[str] = "configs/vqvae/default.yaml"


def config_schema() -> dict[str, Any]:
    """The JSON schema of a configuration file, for editors; keys that begin with ``_`` are comments."""
    return file_schema(VQVAEConfig, "Spinlock: training of a VQ-VAE tokenizer")
