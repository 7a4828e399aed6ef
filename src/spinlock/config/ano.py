"""The configuration of ``train-ano``: tokens, parameters, split, network, training and calibration."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from spinlock.config.data import MAX_SEED
from spinlock.config.schema import file_schema
from spinlock.config.section import MAX_COUNT, Conflict, FilePath, Section, setting

MAX_WIDTH = 4096
"""Maximum width of a layer."""

_FRACTIONS = ("validation_fraction", "calibration_fraction", "test_fraction")


class ANODataSettings(Section):
    """The token file, what is predicted, and the split of the operators."""

    tokens_path: FilePath = setting(
        Path("datasets/quickstart_tokens.h5"),
        "Token file of encode-to-tokens, with /parameters and the label of the families.",
        identity=False,
    )
    family_label: str = setting(
        "family", "Label of the operators, below /labels, that names the family of each one.", min_length=1
    )
    excluded_parameters: tuple[str, ...] = setting(
        ("initial.",),
        "Beginnings of the names of parameters that are not predicted. The parameters of the initial conditions are "
        "not parameters of the operator.",
        strict=False,
    )
    validation_fraction: float = setting(
        0.1,
        "Fraction of the operators that select the epoch of each member and the temperature.",
        gt=0,
        lt=1,
    )
    calibration_fraction: float = setting(
        0.1, "Fraction of the operators that determine the widths of the intervals.", gt=0, lt=1
    )
    test_fraction: float = setting(
        0.1,
        "Fraction of the operators that are used for nothing but the final metrics. The network is fitted on the "
        "operators that remain.",
        gt=0,
        lt=1,
    )
    min_operators: int = setting(
        50,
        "Minimum number of operators of a family. The parameters of a smaller family are predicted by their prior.",
        unit="operators",
        ge=2,
        le=MAX_COUNT,
    )
    split_seed: int = setting(42, "Seed of the split of the operators.", ge=0, le=MAX_SEED)

    def conflicts(self) -> Iterator[Conflict]:
        """Yield a conflict if nothing remains for fitting."""
        if self.validation_fraction + self.calibration_fraction + self.test_fraction > 0.9:
            yield Conflict(_FRACTIONS, "at least 0.1 of the operators have to remain for fitting")
        yield from super().conflicts()


class ANONetworkSettings(Section):
    """Sizes of the network."""

    embedding_dim: int = setting(
        256,
        "Number of principal axes of the decoded features, and size of the token embeddings that are added to them.",
        ge=1,
        le=MAX_WIDTH,
    )
    hidden_dim: int = setting(128, "Width of the hidden layers.", ge=1, le=MAX_WIDTH)
    num_blocks: int = setting(2, "Number of residual blocks.", ge=1, le=32)
    mixture_components: int = setting(
        4, "Number of Gaussian components of the parameter density of each member.", ge=1, le=64
    )
    fourier_features: int = setting(
        256,
        "Number of random Fourier features of the regression of each family. More of them approximate a Gaussian "
        "kernel better.",
        ge=1,
        le=MAX_WIDTH,
    )
    members: int = setting(
        4,
        "Number of networks of the ensemble. They differ in initialization and in the order of the rows.",
        ge=1,
        le=64,
    )


class ANOTrainingSettings(Section):
    """Optimization of each member."""

    epochs: int = setting(
        60, "Maximum number of epochs of each member.", unit="epochs", ge=1, le=MAX_COUNT, identity=False
    )
    batch_size: int = setting(256, "Number of operators in an optimizer step.", unit="rows", ge=2, le=MAX_COUNT)
    learning_rate: float = setting(
        0.0005, "Maximum learning rate. It decreases to 0 along a half cosine over the epochs.", gt=0, le=1
    )
    weight_decay: float = setting(0.02, "Weight decay of AdamW.", ge=0, le=10)
    dropout: float = setting(0.3, "Fraction of the hidden units that are dropped in training.", ge=0, lt=1)
    token_dropout: float = setting(0.3, "Fraction of the embeddings of a row that are dropped in training.", ge=0, lt=1)
    early_stopping_patience: int = setting(
        15,
        "Number of epochs without a better loss on the validation operators after which the training of a part of a "
        "member stops. One part predicts the family, the other one the parameters.",
        unit="epochs",
        ge=1,
        le=MAX_COUNT,
    )
    random_seed: int = setting(42, "Seed of the initialization and of the order of the rows.", ge=0, le=MAX_SEED)


class ANORunSettings(Section):
    """Files and device of a run."""

    output_dir: FilePath = setting(
        Path("checkpoints/ano/quickstart"), "Directory of best_model.pt and last.pt.", identity=False
    )
    resume_from: FilePath | None = setting(
        None, "Run to resume: its last.pt, or its directory. null: a new run.", identity=False
    )
    save_every: int = setting(
        10, "Number of epochs between two saves of last.pt.", unit="epochs", ge=1, le=MAX_COUNT, identity=False
    )
    device: str = setting(
        "cpu",
        "Device of the computation. auto: the first CUDA device, or the CPU if there is none.",
        expected="auto, cpu, cuda or cuda:N",
        pattern=r"^(auto|cpu|cuda(:(0|[1-9][0-9]{0,3}))?)$",
        identity=False,
    )


class ANOConfig(ANORunSettings, ANOTrainingSettings, ANONetworkSettings, ANODataSettings):
    """All keys of ``train-ano``. A function takes the section that it needs."""

    listing: ClassVar[str] = "configs/ano/default.yaml"


def ano_schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration file of ``train-ano``."""
    return file_schema(ANOConfig, "Spinlock: training of the atomic neural operator")
