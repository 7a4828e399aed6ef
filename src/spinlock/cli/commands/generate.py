"""``generate``: a dataset of operators from nothing."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinlock.cli.options import Config, Output, Overwrite, Set

if TYPE_CHECKING:
    from spinlock.config.dataset import DatasetConfig
    from spinlock.generation.generate import Generated
    from spinlock.operators.sampling import Stratum


def generate(
    config: Config,
    output: Output,
    num_samples: Annotated[int | None, typer.Option("--num-samples", help="Number of operators.")] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            help="Operators computed at the same time, in whole blocks of 16 (64 on a GPU); changes no data.",
        ),
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")] = None,
    set_values: Set = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the unfinished run of this output.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and write nothing.")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Sample operators, roll them out, and write their behavioral features as a dataset.

    Under torchrun each process computes its share, and the first one joins them.

    [bold]Example[/bold]

    spinlock generate --config configs/datasets/quickstart.yaml --output datasets/quickstart.h5
    """
    from spinlock.config import load_dataset_config
    from spinlock.io.atomic import check_writable

    settings = load_dataset_config(
        config,
        overrides={"num_samples": num_samples, "batch_size": batch_size, "device": device},
        set_values=set_values or [],
    )
    if resume and output.exists() and not overwrite:
        _check_finished(settings, output)
        return
    check_writable(output, overwrite=overwrite, inputs=[config])
    if dry_run:
        _tell_plan(settings, output)
        return

    from spinlock.cli.views.generation_progress import GenerationProgress
    from spinlock.generation.generate import generate as run

    try:
        with GenerationProgress() as progress:
            made = run(
                settings, output, progress, resume=resume, overwrite=overwrite, command_line=shlex.join(sys.argv)
            )
    except KeyboardInterrupt:
        from spinlock.cli.terminal import log, program

        log("interrupted; what is done is kept")
        again = [word for word in sys.argv[1:] if word != "--resume"]
        log(f"resume with: {shlex.join([*program(), *again, '--resume'])}")
        raise
    if made is not None:
        _tell_result(settings, output, made)


def _check_finished(settings: DatasetConfig, output: Path) -> None:
    """``--resume`` with nothing left to do is no error, if the dataset is the one that was asked for."""
    from spinlock.cli.terminal import out
    from spinlock.config import dump_config
    from spinlock.errors import OutputError
    from spinlock.features.extract import VERSION
    from spinlock.generation.generate import NOT_IDENTITY, same_dataset
    from spinlock.generation.shards import ShardStore
    from spinlock.io.hdf5 import open_hdf5

    with open_hdf5(output) as file:
        stored, features = file.attrs.get("configuration"), file.attrs.get("features_version")
    if features != VERSION:
        raise OutputError(
            f"has features of version {features}",
            where=str(output),
            expected=f"version {VERSION}",
            remedy="pass --overwrite to replace it",
        )
    if not isinstance(stored, str) or not same_dataset(stored, dump_config(settings)):
        raise OutputError(
            "exists already, from another configuration",
            where=str(output),
            expected=f"the same one ({', '.join(NOT_IDENTITY)} may differ)",
            remedy="choose another output, or pass --overwrite to replace it",
        )
    ShardStore(output).remove()  # a process that was killed at the very end left them
    out().print(f"complete already: {output}")


def _tell_plan(settings: DatasetConfig, output: Path) -> None:
    """Everything but the computing: the configuration, the strata, how even they are, time and disk."""
    from spinlock.cli.terminal import duration, out, size, table, working
    from spinlock.config import dump_config
    from spinlock.features.extract import feature_names
    from spinlock.generation.blocks import plan_blocks
    from spinlock.generation.budget import check_disk, check_memory, estimate
    from spinlock.generation.design import operators_of
    from spinlock.generation.generate import at_once
    from spinlock.operators.sampling import balance
    from spinlock.runtime.device import choose_device
    from spinlock.runtime.process_group import ProcessGroup

    console = out()
    console.print(dump_config(settings).rstrip())
    device = choose_device(settings.device)
    operators = operators_of(settings)
    blocks = plan_blocks(operators, device.type)
    check_disk(settings, operators, output)
    rows = [
        (each.name, str(len(operators.members(number))), ", ".join(_own_parameters(each)))
        for number, each in enumerate(operators.strata)
    ]
    console.print(table(("operators", "count", "parameters of their own"), rows))
    console.print("and all of them: amplitude, wavenumber and condition of the initial fields")
    even = balance(operators)
    if even is not None:
        console.print(_balance_line(even))
    names = feature_names(with_probes=True)
    console.print(
        f"features: {len(names.aggregated)} aggregated, {len(names.per_trajectory)} per trajectory, "
        f"{len(names.per_timestep)} per timestep"
    )
    workers = min(at_once(settings, device, ProcessGroup()), len(blocks))
    check_memory(settings, blocks, device, workers)
    with working("timing a few steps of each family"):
        needs = estimate(settings, operators, blocks, device, workers)
    console.print(
        f"{len(blocks)} blocks, {workers} at once on {device}: about {duration(needs.seconds)}, "
        f"{size(needs.memory)} of memory, at most {size(needs.disk)} of disk"
    )


def _own_parameters(stratum: Stratum) -> list[str]:
    """Without those that every kind of operator has, and without the family's name."""
    names = [parameter.name.partition(".") for parameter in stratum.parameters]
    return [own for group, _, own in names if group != "initial"]


def _tell_result(settings: DatasetConfig, output: Path, made: Generated) -> None:
    from spinlock.cli.terminal import duration, out, size

    console = out()
    if made.balance is not None:
        console.print(_balance_line(made.balance))
    console.print(
        f"{made.diverged} of {made.operators.count} operators had a run that left the bound "
        f"{settings.blow_up_bound:g} (marked in /metadata/blow_up)"
    )
    rate = f" ({made.fresh / made.seconds:.1f} operators/s)" if made.fresh == made.operators.count else ""
    console.print(
        f"{made.operators.count} operators, {made.fresh} of them in {duration(made.seconds)}{rate}, "
        f"{size(output.stat().st_size)}: {output}"
    )


def _balance_line(even: object) -> str:
    from spinlock.operators.sampling import Balance

    assert isinstance(even, Balance)
    return (
        f"sample: centered discrepancy at most {even.discrepancy:.2g} ({even.discrepancy_stratum}; independent points "
        f"would have {even.random_discrepancy:.2g}), largest |correlation| {even.correlation:.2f} "
        f"({even.correlation_pair})"
    )
