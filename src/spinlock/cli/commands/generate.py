"""The command ``generate``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinlock.cli.options import Config, Output, Overwrite, Quiet, Set, Shard, path_option

if TYPE_CHECKING:
    from spinlock.sharding import Shard as ShardedOutput

SaveFields = Annotated[
    int | None,
    typer.Option("--save-fields", help="Number of operators of which a few frames are stored, as /snapshots."),
]
FromPredictions = Annotated[
    Path | None,
    path_option("--from-predictions", "File of predict-operators; its operators are rolled out.", "H5"),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        help="Operators that are computed together, in blocks of 16 (64 on a GPU). The data do not depend on it.",
    ),
]


def generate(
    config: Config,
    output: Output,
    num_samples: Annotated[int | None, typer.Option("--num-samples", help="Number of operators.")] = None,
    save_fields: SaveFields = None,
    from_predictions: FromPredictions = None,
    batch_size: BatchSize = None,
    device: Annotated[str | None, typer.Option("--device", help="Device: auto, cpu, cuda or cuda:N.")] = None,
    set_values: Set = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the unfinished run of this output.")] = False,
    shard: Shard = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and write nothing.")] = False,
    quiet: Quiet = False,
    overwrite: Overwrite = False,
) -> None:
    """Sample operators, roll them out, and write their behavioral features as a dataset.

    With --from-predictions the operators are those that predict-operators found, instead of sampled ones.

    Under torchrun each process computes a part of the operators, and the main process writes the dataset.

    \f
    spinlock generate --config configs/datasets/quickstart.yaml --output datasets/quickstart.h5
    """
    from spinlock.cli.shards import origin_line, path_of, shard_of
    from spinlock.config import load_dataset_config
    from spinlock.io.atomic import check_writable

    settings = load_dataset_config(
        config,
        overrides={
            "num_samples": num_samples,
            "save_fields": save_fields,
            "from_predictions": from_predictions,
            "batch_size": batch_size,
            "device": device,
        },
        set_values=set_values or [],
    )
    target = shard_of(output, shard)
    check_writable(path_of(target), overwrite=overwrite or resume or target is not output, inputs=[config])

    if dry_run:
        from spinlock.cli.views.generation_plan import print_plan  # imports torch, which takes seconds
        from spinlock.generation.plan import plan_generation

        print_plan(plan_generation(settings, target, resume=resume, overwrite=overwrite))
        return

    from spinlock.cli.views.generation_progress import GenerationProgress
    from spinlock.generation.generate import generate as run

    with _resume_logged(target), GenerationProgress() as progress:
        line = origin_line()
        run(settings, target, callback=progress, resume=resume, overwrite=overwrite, command_line=line)


@contextmanager
def _resume_logged(output: Path | ShardedOutput) -> Iterator[None]:
    """Log the command that resumes the run if a ``with`` block is interrupted."""
    from spinlock.cli.shards import resume_line
    from spinlock.cli.terminal import log

    try:
        yield
    except KeyboardInterrupt:
        log("interrupted; the finished blocks are kept")
        log(f"resume with: {resume_line(output)}")
        raise
