"""Printing of the plan of a generation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spinlock.cli.terminal import format_bytes, format_duration, spinner, stdout, text_table

if TYPE_CHECKING:
    from spinlock.generation.plan import GenerationPlan
    from spinlock.operators.balance import Balance
    from spinlock.operators.sampling import Stratum


def print_plan(plan: GenerationPlan) -> None:
    """Print configuration, kinds of operators, parameter distribution, and estimates of time, memory and disk space."""
    from spinlock.features.extract import feature_names
    from spinlock.generation.snapshots import snapshot_bytes
    from spinlock.operators.balance import balance

    console = stdout()
    if plan.is_complete:
        console.print(f"the dataset is complete already: {plan.output}")
        return
    console.print_lines(plan.configuration)
    operators = plan.design.operators
    rows = [
        (stratum.name, str(len(operators.members(number))), ", ".join(_specific_parameters(stratum)))
        for number, stratum in enumerate(operators.strata)
    ]
    console.print(text_table(("operators", "count", "parameters"), rows))
    console.print("parameters of all operators: amplitude, wavenumber and condition of the initial fields")
    if plan.predictions is not None:
        console.print(f"operators: {operators.count} of {plan.predictions}; families and neural_fraction are not used")
    sample = balance(operators) if plan.predictions is None else None
    if sample is not None:
        console.print(describe_balance(sample))
    names = feature_names(with_probes=True)
    console.print(
        f"features: {len(names.aggregated)} aggregated, {len(names.per_trajectory)} per trajectory, "
        f"{len(names.per_timestep)} per timestep"
    )
    if plan.rollout.save_fields:
        steps = ", ".join(map(str, plan.snapshots.steps.tolist()))
        size = format_bytes(snapshot_bytes(operators, plan.rollout))
        console.print(f"snapshots: frames {steps} of {plan.rollout.save_fields} operators, {size} before compression")
    if plan.shard is not None:
        console.print(
            f"shard {plan.shard.label}: {len(plan.blocks)} of {plan.num_blocks} blocks with {plan.num_operators} of "
            f"{operators.count} operators"
        )
    with spinner("timing a few steps of each family"):
        estimate = plan.estimate()
    console.print(
        f"{len(plan.blocks)} blocks, {plan.workers} at the same time on {plan.device}: about "
        f"{format_duration(estimate.seconds)}, {format_bytes(estimate.memory)} of memory, at most "
        f"{format_bytes(estimate.disk)} of disk space"
    )


def describe_balance(balance: Balance) -> str:
    """Return one line that describes how evenly the parameters are sampled."""
    return (
        f"sample: centered discrepancy at most {balance.discrepancy:.2g} ({balance.discrepancy_stratum}; expected for "
        f"independent points {balance.random_discrepancy:.2g}), largest |correlation| {balance.correlation:.2f} "
        f"({balance.correlation_pair})"
    )


def _specific_parameters(stratum: Stratum) -> list[str]:
    """Return the names of the parameters of one kind of operator, except those of the initial fields."""
    names = [parameter.name.partition(".") for parameter in stratum.parameters]
    return [name for group, _, name in names if group != "initial"]
