"""The command ``join``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinlock.cli.options import Overwrite, Quiet, path_parser


def join(
    output: Annotated[
        Path,
        typer.Argument(help="The --output of the shards.", metavar="OUTPUT", parser=path_parser("OUTPUT")),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the shards and what is missing, and write nothing.")
    ] = False,
    quiet: Quiet = False,
    overwrite: Overwrite = False,
) -> None:
    """Put the shards of an output together, or name those that are missing.

    The shards are those that generate, extract-features or encode-to-tokens made with --shard. The file is the same,
    byte for byte, as without shards. Run it in the directory in which the shards were made.

    \f
    spinlock join datasets/quickstart.h5 --dry-run
    """
    from spinlock.cli.shards import log_problems
    from spinlock.cli.terminal import format_bytes, log, stdout
    from spinlock.sharding.collection import find_shards, shard_counts

    console = stdout()
    if output.is_file() and not shard_counts(output):
        console.print(f"{output} has no shards and exists already; nothing is joined")
        return
    shards = find_shards(output)
    if dry_run:
        for shard, manifest in shards.shards():
            size = format_bytes(manifest.file_bytes)
            console.print(f"shard {shard.label}: {manifest.work.count} {manifest.work.unit}, {size}: {shard.path}")
    log_problems(shards)
    shards.check_complete()
    if dry_run:
        console.print(f"all {shards.count} shards of {output} are there")
        return

    from spinlock.cli.views.progress import progress
    from spinlock.joining import join_shards  # imports torch, which takes seconds

    with progress("joining", shards.first.work.total, unit=shards.first.work.unit) as advance:
        result = join_shards(shards, overwrite=overwrite, advance=advance)
    written = f"{format_bytes(output.stat().st_size)} written: {output}"
    console.print(f"joined {result.num_shards} shards with {result.total} {result.unit}; {written}")
    if result.range_warning:
        log(f"warning: {result.range_warning}")
    console.print("the shards are still there; they are no longer needed")
