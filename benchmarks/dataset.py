"""Quality of a generated dataset: faulty columns, effective rank, redundancy of groups, and prediction of the family.

The effective rank is (sum l)^2 / sum l^2 of the covariance eigenvalues l of the z-scored table. The redundancy of a
group is the R^2 of a ridge regression of all its columns on the columns of the other groups, measured on rows that the
regression does not see. The family is predicted from the features by multinomial logistic regression with five-fold
cross-validation, and as a control also with shuffled labels.

    poetry run python benchmarks/dataset.py --dataset datasets/benchmark_4k.h5
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import spinlock as sl

Floats = NDArray[np.float64]

DUPLICATE = 0.9999
"""Training drops a column as a duplicate if |r| is at least this value."""

NEARLY_CONSTANT = 0.995
"""A column is nearly constant if its most frequent value has at least this fraction of the rows."""

CLIP_PERCENTILES = (0.1, 99.9)
"""Percentiles at which values are clipped before they are z-scored, as in training."""


def z_scored(table: NDArray[np.float32]) -> Floats:
    """Return clipped and standardized columns; constant columns become 0."""
    values = table.astype(np.float64)
    values = np.clip(values, *np.percentile(values, CLIP_PERCENTILES, axis=0))
    spread = values.std(0)
    return (values - values.mean(0)) / np.where(spread > 0, spread, 1)


def check_columns(table: NDArray[np.float32], names: tuple[str, ...]) -> dict[str, Any]:
    """Return the number of columns, and the names of constant, nearly constant, duplicate and non-finite columns."""
    finite = np.isfinite(table)
    most_frequent = np.array([np.unique(column, return_counts=True)[1].max() for column in table.T]) / len(table)
    correlation = np.abs(np.corrcoef(z_scored(np.where(finite, table, 0)), rowvar=False))
    correlation[~np.isfinite(correlation)] = 0
    first, second = np.nonzero(np.triu(correlation, 1) >= DUPLICATE)
    return {
        "columns": len(names),
        "base_features": len({name.rpartition(".")[0] for name in names}),
        "not_finite": [names[j] for j in np.flatnonzero(~finite.all(0))],
        "constant": [names[j] for j in np.flatnonzero(np.ptp(table, axis=0) == 0)],
        "nearly_constant": [names[j] for j in np.flatnonzero(most_frequent >= NEARLY_CONSTANT)],
        "duplicate": [f"{names[i]} = {names[j]}" for i, j in zip(first, second, strict=True)],
        "largest_correlation": float(np.triu(correlation, 1).max()),
    }


def effective_rank(z: Floats) -> float:
    """Return (sum l)^2 / sum l^2 of the covariance eigenvalues l."""
    eigenvalues = np.linalg.svd(z, compute_uv=False) ** 2
    return float(eigenvalues.sum() ** 2 / np.square(eigenvalues).sum())


def explained_by_other_groups(z: Floats, groups: NDArray[np.str_], rng: np.random.Generator) -> dict[str, float]:
    """Return the R^2 of each group from the columns of all other groups, on the half of the rows that is not fitted."""
    order = rng.permutation(len(z))
    fitted, held_out = order[: len(z) // 2], order[len(z) // 2 :]
    scores = {}
    for group in dict.fromkeys(groups.tolist()):
        member = groups == group
        model = RidgeCV(alphas=np.logspace(0, 4, 9)).fit(z[fitted][:, ~member], z[fitted][:, member])
        residual = z[held_out][:, member] - model.predict(z[held_out][:, ~member])
        scores[group] = float(1 - np.square(residual).sum() / np.square(z[held_out][:, member]).sum())
    return scores


def family_accuracy(z: Floats, family: NDArray[np.str_], seed: int) -> dict[str, Any]:
    """Return the accuracy of the predicted family, overall, by family, and for shuffled labels."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    is_correct = cross_val_predict(model, z, family, cv=folds) == family
    shuffled = np.random.default_rng(seed).permutation(family)
    return {
        "accuracy": float(is_correct.mean()),
        "chance": float(cross_val_score(model, z, shuffled, cv=folds).mean()),
        "by_family": {name: float(is_correct[family == name].mean()) for name in sorted(set(family.tolist()))},
    }


def main() -> None:
    """Print the results, and write them to a file if requested."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    table = sl.read_features(arguments.dataset)
    rows, family = np.asarray(table.rows), np.asarray(table.labels["family"], dtype=np.str_)
    with h5py.File(arguments.dataset) as file:  # the Python interface does not read the metadata of a dataset
        diverged = int(file["metadata/diverged"][()].sum())
    z = z_scored(rows)
    groups = np.array([name.partition(".")[0] for name in table.names])
    result: dict[str, Any] = {
        "dataset": arguments.dataset.name,
        "operators": table.num_operators,
        "diverged": diverged,
        **check_columns(rows, table.names),
        "effective_rank": effective_rank(z),
        "explained_by_other_groups": explained_by_other_groups(z, groups, np.random.default_rng(arguments.seed)),
        "family": family_accuracy(z, family, arguments.seed),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
