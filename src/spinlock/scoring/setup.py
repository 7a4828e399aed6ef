"""What was measured, for the result of an evaluation or of a description."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from spinlock.checkpoint.provenance import DatasetIdentity, versions
from spinlock.evaluation.evaluation import Setup
from spinlock.io.feature_table import FeatureTable
from spinlock.tokenizer import Tokenizer


def make_setup(
    tokenizer: Tokenizer, table: FeatureTable, num_rows: int, num_available: int, packages: Sequence[str]
) -> Setup:
    """Return what was measured.

    Parameters
    ----------
    tokenizer
        The tokenizer.
    table
        Its table.
    num_rows, num_available
        Number of measured rows, and of the rows of which they are a sample or all.
    packages
        Further packages that compute the result. Those that are not installed are left out.
    """
    checkpoint = tokenizer.checkpoint
    spec = checkpoint.spec
    return Setup(
        table=table.path,
        model=str(checkpoint.path),
        model_sha256=tokenizer.sha256(),
        same_table=DatasetIdentity.of(table) == checkpoint.dataset,
        num_operators=table.num_operators,
        num_table_rows=len(table.rows),
        num_rows=num_rows,
        sampled=num_rows < num_available,
        num_columns=len(checkpoint.feature_names),
        num_kept_columns=len(checkpoint.cleaner.kept),
        num_categories=spec.num_categories,
        assignment=spec.assignment,
        seed=checkpoint.config.random_seed,
        versions=versions() | _installed(packages),
    )


def _installed(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of the packages that are installed."""
    found = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
