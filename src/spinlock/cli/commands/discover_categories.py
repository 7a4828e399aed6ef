"""``discover-categories``: which features belong together, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spinlock.cli.options import Config, Overwrite, Set


def discover_categories(
    config: Config,
    output: Annotated[Path, typer.Option("--output", help="Mapping file to write.", metavar="JSON")],
    input_path: Annotated[Path | None, typer.Option("--input", help="HDF5 dataset of features.", metavar="H5")] = None,
    stability: Annotated[
        int, typer.Option("--stability", help="Bootstrap samples of the rows to discover the categories again on.")
    ] = 0,
    set_values: Set = None,
    overwrite: Overwrite = False,
) -> None:
    """Find the categories of a dataset's features and write them as a mapping file.

    The file works as category_mapping_file; scores over K and stability are in it as comments.

    [bold]Example[/bold]

    spinlock discover-categories --config configs/vqvae/production.json --input datasets/test_4k_phase1_phase2.h5
    --output categories.json --stability 20
    """
    import numpy as np

    from spinlock.categories.discovery import DiscoveryLimits
    from spinlock.categories.mapping import save_mapping
    from spinlock.categories.stability import bootstrap_stability
    from spinlock.cli.dataset_recipes import check_dataset
    from spinlock.cli.terminal import out, table, working
    from spinlock.config import load_config
    from spinlock.errors import DataError
    from spinlock.io.atomic import check_writable, write_files
    from spinlock.preprocessing.training_data import read_table
    from spinlock.training.prepare import find_categories

    settings = load_config(config, overrides={"input_path": input_path}, set_values=set_values or [])
    if stability < 0:
        raise DataError(f"--stability is {stability}", expected="0 or more")
    if stability and settings.category_assignment != "auto":
        raise DataError(
            f"--stability with category_assignment {settings.category_assignment}",
            expected="auto: bootstrap samples are partitioned from nothing",
            remedy="leave --stability out",
        )
    inputs = [settings.input_path, *([settings.category_mapping_file] if settings.category_mapping_file else [])]
    check_writable(output, overwrite=overwrite, inputs=inputs)
    check_dataset(settings.input_path)
    with working("finding categories"):
        data, found = find_categories(read_table(settings), settings)
    names = data.cleaner.kept_names
    discovery = found.discovery
    comments: dict[str, object] = {
        "dataset": data.table.path,
        "orthogonality_target": discovery.target,
        "meets_target": discovery.meets_target,
        "chosen": discovery.chosen.summary(),
        "candidates": [candidate.summary() for candidate in discovery.candidates],
        "dropped": data.cleaner.dropped,
    }
    agreement = np.ones(len(names))
    if stability:
        labels = np.empty(len(names), dtype=np.int64)
        for number, group in enumerate(found.groups):
            labels[list(group)] = number
        limits = DiscoveryLimits(
            settings.orthogonality_target, settings.min_features_per_category, settings.max_clusters
        )
        rng = np.random.default_rng(settings.random_seed)
        with working(f"finding them again on {stability} bootstrap samples"):
            result = bootstrap_stability(
                data.z_scored_train, labels, discovery.chosen.distance, limits, draws=stability, rng=rng
            )
        agreement = result.column_agreement
        comments["stability"] = {
            "draws": stability,
            "adjusted_rand": [round(value, 4) for value in result.adjusted_rand.tolist()],
            "column_agreement": dict(zip(names, np.round(agreement, 4).tolist(), strict=True)),
        }
    groups = {name: [names[j] for j in group] for name, group in zip(found.names, found.groups, strict=True)}
    write_files({output: save_mapping(groups, comments)})
    console = out()
    rows = [
        (name, str(len(group)), *([f"{agreement[list(group)].mean():.2f}"] if stability else []), _some(groups[name]))
        for name, group in zip(found.names, found.groups, strict=True)
    ]
    heads = ("category", "columns", *(["agreement"] if stability else []), "for example")
    console.print(table(heads, rows))
    console.print(
        f"{len(groups)} categories of {len(names)} columns ({len(data.cleaner.dropped)} dropped); largest centroid "
        f"cosine {discovery.chosen.cosine:.3f}, {'below' if discovery.meets_target else 'not below'} the target "
        f"{discovery.target:g}; silhouette {discovery.chosen.silhouette:.3f}"
    )
    if stability:
        rand = result.adjusted_rand
        console.print(
            f"adjusted Rand index over {stability} bootstrap samples: mean {rand.mean():.2f}, lowest {rand.min():.2f}"
        )
    console.print(f"written: {output}")


def _some(columns: list[str]) -> str:
    return ", ".join(columns[:3]) + (" ..." if len(columns) > 3 else "")
