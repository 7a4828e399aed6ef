"""Configuration of ``generate``: operators, initial conditions, rollouts and device."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field

from spinlock.config.data import MAX_SEED
from spinlock.config.families import FamilyRanges
from spinlock.config.ranges import FractionRange, LogRange, PositiveRange, Range, log
from spinlock.config.schema import file_schema
from spinlock.config.section import MAX_COUNT, Conflict, FilePath, Section, setting

MIN_GRID = 16
"""Minimum number of grid points along each side; with fewer, some bands of the spectral features contain no mode."""

MAX_WARMUP_STEPS = 1_000_000

FamilyName = Literal[
    "advection_diffusion",
    "burgers",
    "allen_cahn",
    "cahn_hilliard",
    "swift_hohenberg",
    "kuramoto_sivashinsky",
    "gray_scott",
    "fitzhugh_nagumo",
    "complex_ginzburg_landau",
    "navier_stokes",
    "wave",
]
Policy = Literal["autoregressive", "residual", "convex"]
InitialCondition = Literal["power_law", "gaussian", "band_limited", "sinusoids", "blobs", "fronts", "spots"]
OddKernel = Literal[3, 5, 7]
Depth = Annotated[int, Field(ge=2, le=8)]
Width = Annotated[int, Field(ge=1, le=256)]

_choices = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)


class SamplingSettings(Section):
    """Number and kinds of the operators."""

    num_samples: int = setting(
        4096,
        "Number of operators. With the same seed, a smaller dataset is the beginning of a larger one.",
        unit="operators",
        ge=1,
        le=10_000_000,
    )
    random_seed: int = setting(
        42, "Seed of all random numbers: parameters, weights, initial conditions, noise.", ge=0, le=MAX_SEED
    )
    families: Annotated[tuple[FamilyName, ...], _choices] = setting(
        get_args(FamilyName),
        "PDE families. All operators that are not neural are divided equally among the families.",
    )


class NeuralSettings(Section):
    """Random convolutional networks O. The next state is O(u), u + dt O(u) or w u + (1 - w) O(u), plus noise."""

    neural_fraction: float = setting(
        0.15,
        "Fraction of neural operators. A neural operator takes several times as long as a PDE operator.",
        unit="fraction of operators",
        ge=0,
        le=1,
    )
    neural_policies: Annotated[tuple[Policy, ...], _choices] = setting(
        get_args(Policy), "Update policies. The neural operators are divided equally among the policies.", min_length=1
    )
    neural_depths: Annotated[tuple[Depth, ...], _choices] = setting(
        (2, 3, 4, 5), "Possible numbers of convolutions.", unit="layers", min_length=1
    )
    neural_widths: Annotated[tuple[Width, ...], _choices] = setting(
        (8, 16, 32), "Possible numbers of hidden channels.", unit="channels", min_length=1
    )
    neural_kernels: Annotated[tuple[OddKernel, ...], _choices] = setting(
        (3, 5, 7), "Possible kernel sizes.", unit="grid points", min_length=1
    )
    neural_gain: LogRange = setting(
        log(0.5, 4.0),
        "Factor before the nonlinearity. Networks are nearly linear below 1 and strongly nonlinear above 1.",
    )
    neural_step: LogRange = setting(log(0.05, 0.5), "Step dt of the residual policy, u + dt O(u).")
    neural_weight: FractionRange = setting(
        Range(0.1, 0.9), "Weight w of the current state in the convex policy, w u + (1 - w) O(u)."
    )
    neural_noise: PositiveRange = setting(
        Range(0.0, 0.05), "Standard deviation of the noise that is added in each step."
    )


class InitialSettings(Section):
    """Initial conditions: random fields with mean zero. Their standard deviation is the amplitude."""

    initial_conditions: Annotated[tuple[InitialCondition, ...], _choices] = setting(
        get_args(InitialCondition),
        "Possible kinds of initial conditions.",
        min_length=1,
    )
    initial_amplitude: LogRange = setting(
        log(0.5, 2.0),
        "Standard deviation of the random fields. Each family then limits, smooths or scales the fields to its range "
        "of states, so that the standard deviation of the initial states can be smaller.",
    )
    initial_wavenumber: LogRange = setting(
        log(2.0, 5.0), "Characteristic wave number of the initial fields.", unit="cycles per domain"
    )


class PredictionSettings(Section):
    """Predicted operators, instead of sampled ones."""

    from_predictions: FilePath | None = setting(
        None,
        "File of predict-operators. The operators are then the first num_samples of its rows, each with the most "
        "plausible family and parameters. The initial conditions are those in the file, or sampled if it has none. "
        "families and neural_fraction are not used. null: the operators are sampled.",
    )


class OperatorSettings(FamilyRanges, InitialSettings, NeuralSettings, SamplingSettings):
    """All settings on which the sample of operators depends."""


class RolloutSettings(Section):
    """Grid, number of steps and number of realizations."""

    grid_size: int = setting(
        64, "Grid points along each side of the periodic square.", unit="points", ge=MIN_GRID, le=1024
    )
    num_steps: int = setting(
        64, "Number of frames from which the features are computed.", unit="frames", ge=1, le=100_000
    )
    warmup_steps: int = setting(
        8, "Number of steps from the initial condition to the first frame.", unit="steps", ge=0, le=MAX_WARMUP_STEPS
    )
    num_realizations: int = setting(
        3,
        "Number of runs of each operator. They differ in the initial condition and the noise.",
        unit="runs",
        ge=1,
        le=1000,
    )
    blow_up_bound: float = setting(
        1e4,
        "Bound on |u|. A run that exceeds it is marked as diverged, and it repeats its last valid frame.",
        unit="|u|",
        gt=1,
        le=1e6,
    )
    store_trajectories: bool = setting(
        False, "Whether the frames are also stored, as /outputs/fields [N, M, T, C, H, W]."
    )
    save_fields: int = setting(
        0,
        "Number of operators S of which F frames (at most 4) of the first run are stored, as /snapshots/fields "
        "[S, F, C, H, W]. Other commands show them. The operators are spread evenly over all families.",
        unit="operators",
        ge=0,
        le=10_000_000,
    )


class GenerationRuntime(Section):
    """Device and batch size. The data do not depend on the batch size or on the number of processes."""

    batch_size: int | None = setting(
        None,
        "Number of operators that are computed at the same time, in blocks that use one core each. null: one block for "
        "each core.",
        unit="operators",
        ge=1,
        le=MAX_COUNT,
        identity=False,
    )
    device: str = setting(
        "auto",
        "Device of the computation. auto: the first CUDA device, or the CPU if there is none.",
        expected="auto, cpu, cuda or cuda:N",
        pattern=r"^(auto|cpu|cuda(:(0|[1-9][0-9]{0,3}))?)$",
        identity=False,
    )


# pydantic collects fields from the last base class to the first, so that the order of the keys is that of the bases
# from the last one to the first:
# sampling, rollout, neural operators, initial conditions, families, predictions, runtime.
class DatasetConfig(GenerationRuntime, PredictionSettings, OperatorSettings, RolloutSettings, SamplingSettings):
    """All settings of ``generate``. The defaults are those of ``benchmark_4k``."""

    listing: ClassVar[str] = "configs/datasets/benchmark_4k.yaml"
    former_names: ClassVar[Mapping[str, str]] = {
        "num_realisations": "num_realizations",
        "neural_share": "neural_fraction",
    }

    def conflicts(self) -> Iterator[Conflict]:
        """Yield conflicts for missing operators, repeated values, and wave numbers that the grid cannot represent."""
        if not self.families and self.neural_fraction < 1:
            yield Conflict(
                ("families", "neural_fraction"), "without families every operator is neural: set neural_fraction to 1"
            )
        for key in ("families", "neural_policies", "neural_depths", "neural_widths", "neural_kernels"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                yield Conflict((key,), "a value is repeated")
        if self.save_fields > self.num_samples:
            reason = f"fields of {self.save_fields} operators cannot be saved, because there are {self.num_samples}"
            yield Conflict(("save_fields", "num_samples"), reason)
        if self.initial_wavenumber.high > self.grid_size / 4:
            reason = f"a grid of {self.grid_size} points allows initial wave numbers of at most {self.grid_size / 4:g}"
            yield Conflict(("grid_size", "initial_wavenumber"), reason)
        if self.initial_wavenumber.low < 1:
            yield Conflict(("initial_wavenumber",), "a wave number has to be at least 1 cycle per domain")
        yield from super().conflicts()


def dataset_schema() -> dict[str, Any]:
    """Return the JSON schema of a configuration file of ``generate``."""
    return file_schema(DatasetConfig, "Spinlock: generation of a dataset of operators")
