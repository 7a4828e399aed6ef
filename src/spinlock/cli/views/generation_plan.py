"""The plan of a generation as text: configuration, kinds of operators, balance of the sample, time, memory and disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spinlock.cli.terminal import duration, size, stdout, table, working

if TYPE_CHECKING:
    from spinlock.generation.plan import GenerationPlan
    from spinlock.operators.balance import Balance
    from spinlock.operators.sampling import Stratum


def print_plan(plan: GenerationPlan) -> None:
    """Print what a generation would compute, and an estimate of what it needs."""
    from spinlock.features.extract import feature_names
    from spinlock.operators.balance import balance

    console = stdout()
    if plan.is_complete:
        console.print(f"complete already: {plan.output}")
        return
    console.print(plan.configuration.rstrip())
    operators = plan.design.operators
    rows = [
        (stratum.name, str(len(operators.members(number))), ", ".join(_specific_parameters(stratum)))
        for number, stratum in enumerate(operators.strata)
    ]
    console.print(table(("operators", "count", "parameters"), rows))
    console.print("all operators also have amplitude, wavenumber and condition of the initial fields")
    sample = balance(operators)
    if sample is not None:
        console.print(describe_balance(sample))
    names = feature_names(with_probes=True)
    console.print(
        f"features: {len(names.aggregated)} aggregated, {len(names.per_trajectory)} per trajectory, "
        f"{len(names.per_timestep)} per timestep"
    )
    with working("timing a few steps of each family"):
        estimate = plan.estimate()
    console.print(
        f"{len(plan.blocks)} blocks, {plan.workers} at the same time on {plan.device}: about "
        f"{duration(estimate.seconds)}, {size(estimate.memory)} of memory, at most {size(estimate.disk)} of disk"
    )


def describe_balance(balance: Balance) -> str:
    """Return one line about how evenly the parameters are sampled."""
    return (
        f"sample: centered discrepancy at most {balance.discrepancy:.2g} ({balance.discrepancy_stratum}; independent "
        f"points would have {balance.random_discrepancy:.2g}), largest |correlation| {balance.correlation:.2f} "
        f"({balance.correlation_pair})"
    )


def _specific_parameters(stratum: Stratum) -> list[str]:
    """The parameters of one kind of operator without those of the initial fields, and without the family's name."""
    names = [parameter.name.partition(".") for parameter in stratum.parameters]
    return [name for group, _, name in names if group != "initial"]
