"""Settings of the selection of the best epoch, checkpoints, early stopping, the device and the random seed."""

from collections.abc import Iterator

from spinlock.config.data import MAX_SEED
from spinlock.config.section import MAX_COUNT, MAX_WEIGHT, Conflict, FilePath, Section, setting

_SCORE_KEYS = (
    "checkpoint_use_composite",
    "checkpoint_loss_weight",
    "checkpoint_topo_weight",
    "checkpoint_quality_weight",
)


class CheckpointSettings(Section):
    """composite = loss_weight * val_loss + topo_weight * (1 - topographic) + quality_weight * (1 - quality).

    The best epoch has the lowest score. Early stopping uses the same score.
    """

    checkpoint_use_composite: bool = setting(
        True,
        "Whether epochs are compared by a composite score of validation loss, topographic correlation and quality. "
        "false: they are compared by the validation loss.",
    )
    checkpoint_loss_weight: float = setting(
        1.0, "Weight of the validation loss in the composite score.", ge=0, le=MAX_WEIGHT
    )
    checkpoint_topo_weight: float = setting(
        0.5, "Weight of 1 - topographic correlation in the composite score.", ge=0, le=MAX_WEIGHT
    )
    checkpoint_quality_weight: float = setting(
        0.5, "Weight of 1 - reconstruction quality in the composite score.", ge=0, le=MAX_WEIGHT
    )
    checkpoint_dir: FilePath | None = setting(None, "Directory of last.pt. null: output_dir.", identity=False)
    save_every: int | None = setting(
        None,
        "Number of epochs between two saves of last.pt. null: at each validation.",
        unit="epochs",
        ge=1,
        le=MAX_COUNT,
        identity=False,
    )
    resume_from: FilePath | None = setting(
        None,
        "Run to resume: its best_model.pt, its last.pt, or its directory. null: a new run.",
        identity=False,
    )
    early_stopping_patience: int = setting(
        250,
        "Number of epochs without a better score after which training stops. If it is at least as large as epochs, "
        "training never stops early.",
        unit="epochs",
        ge=1,
        le=MAX_COUNT,
        identity=False,
    )
    early_stopping_min_delta: float = setting(
        0.001,
        "Minimum decrease of the score that counts as an improvement for early stopping.",
        unit="score, absolute",
        ge=0,
        le=MAX_WEIGHT,
        identity=False,
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Yield a conflict if all weights of the composite score are 0."""
        weights = (self.checkpoint_loss_weight, self.checkpoint_topo_weight, self.checkpoint_quality_weight)
        if self.checkpoint_use_composite and not any(weights):
            yield Conflict(_SCORE_KEYS, "a composite score needs at least one weight above 0")
        yield from super().conflicts()


class RuntimeSettings(Section):
    """Device, compilation, random seed and verbosity."""

    use_torch_compile: bool = setting(
        True,
        "Whether the training step is compiled with torch.compile, if this is expected to save time and a compiler is "
        "installed.",
        identity=False,
    )
    device: str = setting(
        "auto",
        "Device of the computation. auto: the first CUDA device, or the CPU if there is none.",
        expected="auto, cpu, cuda or cuda:N",
        pattern=r"^(auto|cpu|cuda(:(0|[1-9][0-9]{0,3}))?)$",
        identity=False,
    )
    random_seed: int = setting(42, "Seed of all random numbers of a run except the split.", ge=0, le=MAX_SEED)
    verbose: bool = setting(
        False,
        "Whether every dropped column, the schedule and a line for each validation are printed.",
        identity=False,
    )
