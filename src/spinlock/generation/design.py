"""The strata that a configuration asks for: a PDE family or a policy of neural operators, each with its parameters."""

from spinlock.config.dataset import DatasetConfig
from spinlock.operators.neural import Architecture
from spinlock.operators.pde import FAMILIES
from spinlock.operators.sampling import NEURAL, Choice, Operators, Parameter, Stratum, sample

AMPLITUDE, WAVENUMBER, CONDITION = "initial.amplitude", "initial.wavenumber", "initial.condition"


def strata_of(config: DatasetConfig) -> tuple[Stratum, ...]:
    """Families in their order, then policies; those with no share at all are left out."""
    shared = (
        Parameter(AMPLITUDE, config.initial_amplitude),
        Parameter(WAVENUMBER, config.initial_wavenumber),
        Parameter(CONDITION, Choice(tuple(float(number) for number, _ in enumerate(config.initial_conditions)))),
    )
    strata = []
    if config.neural_share < 1:
        for name in config.families:
            own = tuple(
                Parameter(f"{name}.{parameter}", getattr(config, f"{name}_{parameter}"))
                for parameter in FAMILIES[name].parameters
            )
            strata.append(Stratum(name, "", own + shared))
    if config.neural_share > 0:
        strata += [Stratum(NEURAL, policy, _neural(config, policy) + shared) for policy in config.neural_policies]
    return tuple(strata)


def operators_of(config: DatasetConfig) -> Operators:
    """The operators of a configuration, sampled."""
    return sample(strata_of(config), config.neural_share, config.random_seed, config.num_samples)


def _neural(config: DatasetConfig, policy: str) -> tuple[Parameter, ...]:
    parameters = [
        Parameter("neural.depth", Choice(tuple(map(float, config.neural_depths)))),
        Parameter("neural.width", Choice(tuple(map(float, config.neural_widths)))),
        Parameter("neural.kernel", Choice(tuple(map(float, config.neural_kernels)))),
        Parameter("neural.gain", config.neural_gain),
        Parameter("neural.noise", config.neural_noise),
    ]
    if policy == "residual":
        parameters.append(Parameter("neural.step", config.neural_step))
    if policy == "convex":
        parameters.append(Parameter("neural.weight", config.neural_weight))
    return tuple(parameters)


def architectures(operators: Operators, stratum: int) -> list[Architecture]:
    """The network of each operator of a neural stratum, by rank."""
    sizes = (operators.values(stratum, f"neural.{name}").astype(int).tolist() for name in ("depth", "width", "kernel"))
    return [Architecture(*size) for size in zip(*sizes, strict=True)]
