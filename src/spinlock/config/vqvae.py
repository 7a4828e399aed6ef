"""The configuration of a training run, which combines all sections in one flat object, and its JSON schema."""

from typing import Any, ClassVar

from spinlock.config.data import CleaningSettings, DataSettings
from spinlock.config.model import CategorySettings, ModelSettings
from spinlock.config.run import CheckpointSettings, RuntimeSettings
from spinlock.config.schema import file_schema
from spinlock.config.training import CodebookSettings, LossSettings, OptimizationSettings


# pydantic collects fields from the last base class to the first, so that the order of the keys is from last to first.
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
    """All keys of a training run. The defaults are the production values.

    The class inherits from all sections, so that an object can be passed to a function that needs one section.
    """

    listing: ClassVar[str] = "configs/vqvae/default.yaml"


def config_schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration file; keys that begin with ``_`` are comments."""
    return file_schema(VQVAEConfig, "Spinlock: training of a VQ-VAE tokenizer")
