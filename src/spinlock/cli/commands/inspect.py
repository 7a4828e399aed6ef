"""``inspect``: what a dataset, a checkpoint or a token file holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

MOST_VALUES = 24
"""Different values of a label that are counted one by one."""


def inspect(
    path: Annotated[Path, typer.Argument(help="Dataset or token file (HDF5), or checkpoint.")],
    row: Annotated[int | None, typer.Option("--row", help="Show one row: its features or its tokens.")] = None,
    family: Annotated[str, typer.Option("--family", help="Feature family of a dataset.")] = "sdf",
    feature_type: Annotated[
        str | None, typer.Option("--feature-type", help="aggregated, per_trajectory or per_timestep.")
    ] = None,
    targets: Annotated[bool, typer.Option("--targets", help="Of a checkpoint, the table of the four targets.")] = False,
) -> None:
    """Say what a file holds: shapes, names, faulty columns, categories, metrics, provenance.

    [bold]Example[/bold]

    spinlock inspect datasets/test_4k_phase1_phase2.h5 --row 17
    """
    import h5py

    from spinlock.cli.terminal import out
    from spinlock.errors import DataError
    from spinlock.io.hdf5 import open_hdf5

    if not path.exists():
        raise DataError("no such file", where=str(path))
    console = out()
    if path.is_file() and not h5py.is_hdf5(path):
        _checkpoint(console, path, row, only_targets=targets)
        return
    if targets:
        raise DataError("has no targets", where=str(path), expected="a checkpoint", remedy="leave --targets out")
    with open_hdf5(path) as file:
        is_tokens, has_features = "tokens" in file, "features" in file
    if is_tokens:
        _tokens(console, path, row)
    elif has_features:
        _dataset(console, path, family, feature_type, row)
    else:
        raise DataError("holds neither features nor tokens", where=str(path), expected="a dataset or a token file")


def _checkpoint(console: Console, path: Path, row: int | None, *, only_targets: bool) -> None:
    from spinlock.checkpoint.file import load_checkpoint
    from spinlock.cli.terminal import table
    from spinlock.cli.views.targets import target_rows
    from spinlock.errors import DataError

    content = load_checkpoint(path).content
    if row is not None:
        raise DataError("a checkpoint has no rows", where=str(path), remedy="leave --row out")
    finished = "reconstruction_quality" in content["metrics"]
    if only_targets:
        if not finished:
            raise DataError(
                "its training is not finished",
                where=str(path),
                expected="a run that came to its end",
                remedy="go on with train-vqvae --resume-from",
            )
        console.print(target_rows(content["metrics"]))
        return
    progress, spec = content["training_state"]["progress"], content["model_spec"]
    console.print(
        f"checkpoint, format {content['format_version']}: best epoch {progress['best_epoch']}, trained to epoch "
        f"{progress['epoch']} of {content['config']['epochs']}, assignment {spec['assignment']}"
    )
    rows = [
        (name, str(len(group)), "/".join(map(str, dims)), "/".join(map(str, codes)))
        for name, group, dims, codes in zip(
            spec["category_names"], spec["groups"], spec["latent_dims"], spec["num_codes"], strict=True
        )
    ]
    console.print(table(("category", "columns", "latent dims", "codes"), rows))
    if finished:
        console.print(target_rows(content["metrics"]))
    else:
        console.print("training is not finished: the targets are measured at its end")
    _dropped(console, content["dropped_features"])
    scalars = [(key, f"{value:.4f}") for key, value in content["metrics"].items() if isinstance(value, float)]
    console.print(table(("metric", "value"), scalars))
    dataset, provenance = content["dataset"], content["provenance"]
    console.print(
        f"dataset: {dataset['num_operators']} operators, {len(content['feature_names'])} columns, "
        f"{dataset['family']}/{dataset['feature_type']}, sha256 {dataset['sha256']}"
    )
    console.print(f"versions: {', '.join(f'{name} {number}' for name, number in provenance['versions'].items())}")
    console.print(f"started {provenance['started']}: {provenance['command_line']}", markup=False)


def _tokens(console: Console, path: Path, row: int | None) -> None:
    import numpy as np

    from spinlock.cli.terminal import table
    from spinlock.io.tokens import TokenFile

    with TokenFile.open(path) as source:
        console.print(f"tokens {list(source.shape)}, {len(set(source.category))} categories")
        if row is not None:
            _check_row(row, source.num_rows, path)
            values = source.read(row, row + 1)[0]
            rows = [
                (name, str(value), str(size))
                for name, value, size in zip(source.columns.names, values.tolist(), source.codebook_size, strict=True)
            ]
            console.print(table(("token", "code", "of"), rows))
            return
        sides, counts = np.unique(source.split, return_counts=True)
        console.print("split: " + ", ".join(f"{count} {side}" for side, count in zip(sides, counts, strict=True)))
        errors = source.row_quality("reconstruction_error")
        console.print(f"reconstruction error: mean {errors.mean():.4f}, largest {errors.max():.4f}")
        seen: list[set[int]] = [set() for _ in source.columns.names]
        for _, block in source.blocks(8192):
            for column, values in zip(seen, block.T, strict=True):
                column.update(np.unique(values).tolist())
        rows = [
            (name, str(size), f"{len(values) / size:.2f}")
            for name, size, values in zip(source.columns.names, source.codebook_size, seen, strict=True)
        ]
        console.print(table(("token column", "codes", "used"), rows))
        _attributes(console, source.attributes)


def _dataset(console: Console, path: Path, family: str, feature_type: str | None, row: int | None) -> None:
    import numpy as np

    from spinlock.cli.terminal import table
    from spinlock.io.features import open_features
    from spinlock.io.hdf5 import open_hdf5

    if feature_type is None:
        with open_hdf5(path) as file:
            types = list(file["features"].get(family, {}))
        feature_type = "aggregated" if "aggregated" in types or not types else types[0]
    with open_features(path, family=family, feature_type=feature_type) as source:
        console.print(
            f"dataset {family}/{feature_type} {list(source.shape)}: {source.num_operators} operators, "
            f"{source.rows_per_operator} rows each, {len(source.names)} columns"
        )
        if row is not None:
            _check_row(row, source.num_rows, path)
            values = source.read(row, row + 1)[0]
            console.print(
                table(
                    ("feature", "value"), [(n, f"{v:.6g}") for n, v in zip(source.names, values.tolist(), strict=True)]
                )
            )
            return
        for name in source.labels():
            console.print(f"labels/{name}: {_counts(source.read_label(name))}", markup=False)
        _columns(console, source.read_all(), source.names)
        console.print(f"sha256 of the features: {source.sha256()}")
        finite = np.isfinite(source.read(0, min(1, source.num_rows))).mean()
        console.print(f"first row: {100 * finite:.0f} % finite")
        _attributes(console, {name: v for name, v in source.file_attributes().items() if "\n" not in str(v)})


def _counts(values: Any) -> str:
    """How often each value occurs, the commonest first; of many values only their number."""
    import numpy as np

    found, counts = np.unique(values, return_counts=True)
    if len(found) > MOST_VALUES:
        return f"{len(found)} values"
    order = np.argsort(-counts, kind="stable")
    return ", ".join(f"{found[place]} {counts[place]}" for place in order)


def _columns(console: Console, rows: Any, names: tuple[str, ...]) -> None:
    """What the cleaning would drop if the whole table were trained on, and the missing cells."""
    import numpy as np

    from spinlock.config import CleaningSettings
    from spinlock.errors import DataError
    from spinlock.preprocessing.cleaning import Cleaner

    missing = ~np.isfinite(rows)
    console.print(
        f"missing cells: {int(missing.sum())} in {int(missing.any(0).sum())} columns, {int(missing.any(1).sum())} rows"
    )
    try:
        _dropped(console, Cleaner.fit(rows, names, CleaningSettings()).dropped)
    except DataError as error:
        console.print(f"cannot be trained on: {error}")


def _dropped(console: Console, dropped: dict[str, str]) -> None:
    from spinlock.cli.terminal import table

    if not dropped:
        console.print("no constant, duplicate or mostly missing columns")
        return
    console.print(table(("dropped column", "reason"), list(dropped.items())))


def _attributes(console: Console, attributes: dict[str, Any]) -> None:
    for name, value in attributes.items():
        console.print(f"{name}: {value}", markup=False)


def _check_row(row: int, count: int, path: Path) -> None:
    from spinlock.errors import DataError

    if not 0 <= row < count:
        raise DataError(f"--row is {row}", where=str(path), expected=f"0 to {count - 1}")
