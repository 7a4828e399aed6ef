"""Which epoch becomes the best model, what is saved when, when training stops, and where it runs."""

from collections.abc import Iterator

from spinlock.config.data import MAX_SEED
from spinlock.config.section import Conflict, FilePath, Section, setting

_SCORE_KEYS = (
    "checkpoint_use_composite",
    "checkpoint_loss_weight",
    "checkpoint_topo_weight",
    "checkpoint_quality_weight",
)


class CheckpointSettings(Section):
    """composite = loss_weight * val_loss + topo_weight * (1 - topographic) + quality_weight * (1 - quality).

    Lower is better. The same score picks the best model and stops the training.
    """

    checkpoint_use_composite: bool = setting(
        True,
        "Score epochs by the composite of loss, topography and quality; false = by validation loss alone.",
    )
    checkpoint_loss_weight: float = setting(1.0, "Weight of the validation loss in the score.", ge=0)
    checkpoint_topo_weight: float = setting(0.5, "Weight of 1 - topographic correlation in the score.", ge=0)
    checkpoint_quality_weight: float = setting(0.5, "Weight of 1 - reconstruction quality in the score.", ge=0)
    checkpoint_dir: FilePath | None = setting(None, "Directory of last.pt; null = output_dir.", identity=False)
    save_every: int | None = setting(
        None, "Epochs from one last.pt to the next; null = at each validation.", unit="epochs", ge=1, identity=False
    )
    resume_from: FilePath | None = setting(
        None, "best_model.pt, last.pt or a directory that holds one, to go on from; null = a new run.", identity=False
    )
    early_stopping_patience: int = setting(
        250,
        "Epochs without a better score after which training stops; at least epochs = never.",
        unit="epochs",
        ge=1,
        identity=False,
    )
    early_stopping_min_delta: float = setting(
        0.001,
        "Smallest drop of the score that counts as better for early stopping.",
        unit="score, absolute",
        ge=0,
        identity=False,
    )

    def conflicts(self) -> Iterator[Conflict]:
        """A composite score whose weights are all 0 cannot tell epochs apart."""
        weights = (self.checkpoint_loss_weight, self.checkpoint_topo_weight, self.checkpoint_quality_weight)
        if self.checkpoint_use_composite and not any(weights):
            yield Conflict(_SCORE_KEYS, "a composite score needs at least one weight above 0")
        yield from super().conflicts()


class RuntimeSettings(Section):
    """Device, compilation, randomness and how much is said."""

    use_torch_compile: bool = setting(
        True, "Compile with torch.compile where that is expected to pay and a compiler is found.", identity=False
    )
    device: str = setting(
        "auto",
        "Device to run on; auto = the first CUDA device, else the CPU.",
        expected="auto, cpu, cuda or cuda:N",
        pattern=r"^(auto|cpu|cuda(:(0|[1-9][0-9]{0,3}))?)$",
        identity=False,
    )
    random_seed: int = setting(42, "Seed of everything random in training, apart from the split.", ge=0, le=MAX_SEED)
    verbose: bool = setting(
        False,
        "Print every dropped column, every key of the configuration and a line for each validation.",
        identity=False,
    )
