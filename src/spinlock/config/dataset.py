"""What ``generate`` makes: which operators, from which starts, rolled out how far, and where."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field

from spinlock.config.data import MAX_SEED
from spinlock.config.families import FamilyRanges
from spinlock.config.ranges import LogRange, PositiveRange, Range, ShareRange, log
from spinlock.config.schema import file_schema
from spinlock.config.section import Conflict, Section, setting

MIN_GRID = 16
"""Fewer points leave some of the spectral bands without a wave number."""

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
    """How many operators, and which."""

    num_samples: int = setting(
        4096,
        "Operators in the dataset; a smaller dataset of the same seed is the beginning of a larger one.",
        unit="operators",
        ge=1,
        le=10_000_000,
    )
    random_seed: int = setting(
        42, "Seed of every draw: parameters, weights, initial conditions, noise.", ge=0, le=MAX_SEED
    )
    families: Annotated[tuple[FamilyName, ...], _choices] = setting(
        get_args(FamilyName),
        "PDE families, in equal shares of what is not neural.",
    )


class NeuralSettings(Section):
    """Random convolutional networks O; u' = O(u), u + dt O(u) or w u + (1 - w) O(u), plus noise."""

    neural_share: float = setting(
        0.15,
        "Share of neural operators; one costs about ten times a PDE operator.",
        unit="share of operators",
        ge=0,
        le=1,
    )
    neural_policies: Annotated[tuple[Policy, ...], _choices] = setting(
        get_args(Policy), "Update policies, in equal shares.", min_length=1
    )
    neural_depths: Annotated[tuple[Depth, ...], _choices] = setting(
        (2, 3, 4, 5), "Numbers of convolutions that are drawn from.", unit="layers", min_length=1
    )
    neural_widths: Annotated[tuple[Width, ...], _choices] = setting(
        (8, 16, 32), "Numbers of hidden channels that are drawn from.", unit="channels", min_length=1
    )
    neural_kernels: Annotated[tuple[OddKernel, ...], _choices] = setting(
        (3, 5, 7), "Kernel sizes that are drawn from.", unit="grid points", min_length=1
    )
    neural_gain: LogRange = setting(
        log(0.5, 4.0), "Factor before the nonlinearity; below 1 nearly linear, above it strongly nonlinear."
    )
    neural_step: LogRange = setting(log(0.05, 0.5), "dt of the residual policy.")
    neural_weight: ShareRange = setting(Range(0.1, 0.9), "w of the convex policy: how much of u stays.")
    neural_noise: PositiveRange = setting(
        Range(0.0, 0.05), "Standard deviation of the noise that is added at each step."
    )


class InitialSettings(Section):
    """Where the runs start: random fields of zero mean, whose standard deviation is the amplitude."""

    initial_conditions: Annotated[tuple[InitialCondition, ...], _choices] = setting(
        get_args(InitialCondition),
        "Kinds that are drawn from.",
        min_length=1,
    )
    initial_amplitude: LogRange = setting(
        log(0.5, 2.0),
        "Standard deviation of the random fields, which each family then brings to its own range: bounded, smoothed or "
        "scaled, so that large ones end up smaller.",
    )
    initial_wavenumber: LogRange = setting(log(2.0, 5.0), "Characteristic wave number.", unit="cycles per domain")


class RolloutSettings(Section):
    """The grid and the number of steps and repeats."""

    grid_size: int = setting(64, "Points along each side of the periodic square.", unit="points", ge=MIN_GRID, le=1024)
    num_steps: int = setting(64, "Frames that features are computed from.", unit="frames", ge=1, le=100_000)
    warmup_steps: int = setting(8, "Steps from the initial condition to the first of those frames.", unit="steps", ge=0)
    num_realizations: int = setting(
        3, "Runs of each operator, with other initial conditions and noise.", unit="runs", ge=1, le=1000
    )
    blow_up_bound: float = setting(
        1e4, "A run that exceeds this stops, is marked, and holds its last good frame.", unit="|u|", gt=1, le=1e6
    )
    store_trajectories: bool = setting(False, "Keep the raw fields too, as /outputs/fields [N, M, T, C, H, W].")


class GenerationRuntime(Section):
    """Where it runs. The data do not depend on the batch size, nor on the number of processes."""

    batch_size: int | None = setting(
        None,
        "Operators computed at the same time, in blocks on one core each; null = as many blocks as cores.",
        unit="operators",
        ge=1,
    )
    device: str = setting(
        "auto",
        "Device to run on; auto = the first CUDA device, else the CPU.",
        expected="auto, cpu, cuda or cuda:N",
        pattern=r"^(auto|cpu|cuda(:(0|[1-9][0-9]{0,3}))?)$",
    )


# pydantic collects fields from the last base to the first: read upwards, this is the order of the keys.
class DatasetConfig(
    GenerationRuntime,
    FamilyRanges,
    InitialSettings,
    NeuralSettings,
    RolloutSettings,
    SamplingSettings,
):
    """Everything ``generate`` can be told. The defaults are those of ``benchmark_4k``."""

    listing: ClassVar[str] = "configs/datasets/benchmark_4k.yaml"

    def conflicts(self) -> Iterator[Conflict]:
        """There have to be operators, each kind once, and starts that the grid can hold."""
        if not self.families and self.neural_share < 1:
            yield Conflict(("families", "neural_share"), "without families every operator is neural: neural_share 1")
        for key in ("families", "neural_policies", "neural_depths", "neural_widths", "neural_kernels"):
            values = getattr(self, key)
            if len(set(values)) < len(values):
                yield Conflict((key,), "a value is given twice")
        if self.initial_wavenumber.high > self.grid_size / 4:
            reason = f"a grid of {self.grid_size} points holds initial wave numbers of at most {self.grid_size / 4:g}"
            yield Conflict(("grid_size", "initial_wavenumber"), reason)
        if self.initial_wavenumber.low < 1:
            yield Conflict(("initial_wavenumber",), "a wave number is at least 1 cycle per domain")
        yield from super().conflicts()


def dataset_schema() -> dict[str, Any]:
    """The JSON schema of a file for ``generate``."""
    return file_schema(DatasetConfig, "Spinlock: generation of a dataset of operators")
