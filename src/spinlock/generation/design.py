"""The operators of a dataset: their kinds (strata), the parameters of each kind, and the sampled values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spinlock.config.dataset import InitialSettings, NeuralSettings, OperatorSettings
from spinlock.operators.network import Architecture
from spinlock.operators.pde import FAMILIES
from spinlock.operators.sampling import NEURAL, Choice, Operators, Parameter, Stratum, sample

AMPLITUDE, WAVENUMBER, CONDITION = "initial.amplitude", "initial.wavenumber", "initial.condition"
"""Names of the parameters of the initial fields, which every operator has."""


@dataclass(frozen=True)
class Design:
    """The sampled operators of a dataset, and the other settings on which its random numbers depend.

    Attributes
    ----------
    operators
        The N operators with their parameters.
    conditions
        Names of the initial conditions; a sampled value of :data:`CONDITION` is an index into them.
    weight_seed
        Seed of the weights of neural operators.
    run_seed
        Seed of initial fields, noise and probes. In a dataset it equals ``weight_seed``; with another one the same
        operators have other realizations.
    has_noise
        Whether neural operators can add noise in each step.
    streams
        Index of the random streams of each operator, [N]. Operators with the same index and the same parameters of
        the initial fields have the same initial states. In a dataset it is the number of the operator.
    """

    operators: Operators
    conditions: tuple[str, ...]
    weight_seed: int
    run_seed: int
    has_noise: bool
    streams: NDArray[np.int64]

    def stream_numbers(self, members: Sequence[int]) -> list[int]:
        """Return the indices of the random streams of some operators."""
        numbers: list[int] = self.streams[list(members)].tolist()
        return numbers

    def initial_conditions(self) -> NDArray[np.str_]:
        """Return the name of the initial condition of each operator, [N]."""
        names = np.empty(self.operators.count, dtype=object)
        for number in range(len(self.operators.strata)):
            members = self.operators.members(number)
            if len(members):
                indices = self.operators.values(number, CONDITION).astype(int)
                names[members] = [self.conditions[index] for index in indices]
        return names.astype(np.str_)


def make_design(settings: OperatorSettings) -> Design:
    """Sample the operators that a configuration describes.

    Parameters
    ----------
    settings
        The part of a dataset configuration that describes the operators and their initial conditions.

    Returns
    -------
    Design
        It depends only on the settings. With a smaller ``num_samples`` it contains the first of the same operators.
    """
    operators = sample(make_strata(settings), settings.neural_fraction, settings.random_seed, settings.num_samples)
    return design_of(operators, settings)


def design_of(
    operators: Operators,
    settings: OperatorSettings,
    *,
    weight_seed: int | None = None,
    run_seed: int | None = None,
    streams: NDArray[np.int64] | None = None,
) -> Design:
    """Return a design of given operators; seeds and streams are by default those of a dataset of ``settings``."""
    seed = settings.random_seed
    return Design(
        operators,
        tuple(settings.initial_conditions),
        seed if weight_seed is None else weight_seed,
        seed if run_seed is None else run_seed,
        has_noise=settings.neural_noise.high > 0,
        streams=np.arange(operators.count) if streams is None else streams,
    )


def make_strata(settings: OperatorSettings) -> tuple[Stratum, ...]:
    """Return the strata: the PDE families, followed by the neural operators of each policy.

    PDE families are left out if all operators are neural, and neural operators if ``neural_fraction`` is 0.
    """
    initial = _initial_parameters(settings)
    strata = []
    if settings.neural_fraction < 1:
        for name in settings.families:
            parameters = [
                Parameter(f"{name}.{parameter}", getattr(settings, f"{name}_{parameter}"))
                for parameter in FAMILIES[name].parameters
            ]
            strata.append(Stratum(name, "", (*parameters, *initial)))
    if settings.neural_fraction > 0:
        for policy in settings.neural_policies:
            strata.append(Stratum(NEURAL, policy, (*_neural_parameters(settings, policy), *initial)))
    return tuple(strata)


def _initial_parameters(settings: InitialSettings) -> tuple[Parameter, ...]:
    """Return the parameters of the initial fields."""
    conditions = tuple(float(index) for index in range(len(settings.initial_conditions)))
    return (
        Parameter(AMPLITUDE, settings.initial_amplitude),
        Parameter(WAVENUMBER, settings.initial_wavenumber),
        Parameter(CONDITION, Choice(conditions)),
    )


def _neural_parameters(settings: NeuralSettings, policy: str) -> list[Parameter]:
    """Return the parameters of the neural operators with one policy."""
    parameters = [
        Parameter("neural.depth", Choice(tuple(map(float, settings.neural_depths)))),
        Parameter("neural.width", Choice(tuple(map(float, settings.neural_widths)))),
        Parameter("neural.kernel", Choice(tuple(map(float, settings.neural_kernels)))),
        Parameter("neural.gain", settings.neural_gain),
        Parameter("neural.noise", settings.neural_noise),
    ]
    if policy == "residual":
        parameters.append(Parameter("neural.step", settings.neural_step))
    if policy == "convex":
        parameters.append(Parameter("neural.weight", settings.neural_weight))
    return parameters


def architectures(operators: Operators, stratum: int) -> list[Architecture]:
    """Return the network architecture of each operator of a neural stratum, in the order of their ranks."""
    sizes = (operators.values(stratum, f"neural.{name}").astype(int).tolist() for name in ("depth", "width", "kernel"))
    return [Architecture(*size) for size in zip(*sizes, strict=True)]
