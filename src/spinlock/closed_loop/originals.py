"""The original operators of a closed loop, with the dataset from which their tokens come.

Letters: ``N`` operators, ``n`` of them, ``D`` features, ``T`` token columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinlock.ano.data.operators import TokenRows
from spinlock.arguments import checked_integer
from spinlock.config.dataset import DatasetConfig
from spinlock.config.loading import resolve_dataset_config
from spinlock.config.text import ConfigTextError, parse_value
from spinlock.errors import DataError
from spinlock.features.extract import VERSION, feature_names
from spinlock.generation.given_design import INITIAL, OperatorTable
from spinlock.io.annotations import read_operator_label
from spinlock.io.features import open_features
from spinlock.io.names import match_columns
from spinlock.io.operator_parameters import read_parameters

REMEDY = "pass the dataset of spinlock generate that was encoded"


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Originals:
    """Operators of a generated dataset with their tokens and features.

    Attributes
    ----------
    settings
        Configuration of the dataset.
    rows
        Numbers of the operators in the dataset, [n].
    tokens
        Tokens [n, T].
    features
        Aggregated features [n, D] in the columns of :func:`~spinlock.features.extract.feature_names`.
    operators
        Families and parameters.
    """

    settings: DatasetConfig
    rows: NDArray[np.int64]
    tokens: NDArray[np.int64]
    features: NDArray[np.float32]
    operators: OperatorTable

    @classmethod
    def read(cls, tokens: TokenRows, dataset: Path, rows: NDArray[np.int64]) -> Originals:
        """Read operators from a token file and its dataset.

        Parameters
        ----------
        tokens
            The tokens [N, T].
        dataset
            The dataset of ``generate`` from which they were encoded.
        rows
            Numbers of the operators, [n].

        Raises
        ------
        DataError
            The dataset was not generated, has features of another version, or has other operators than the token file.
        """
        count = len(tokens.tokens)
        names = feature_names(with_probes=True).aggregated
        with open_features(dataset) as source:
            attributes = source.file_attributes()
            settings = _configuration(attributes.get("configuration"), dataset)
            if attributes.get("features_version") != VERSION:
                raise DataError(
                    f"has features of version {attributes.get('features_version')}",
                    where=str(dataset),
                    expected=f"version {VERSION}, that of the simulated predictions",
                    remedy="generate the dataset and encode it again",
                )
            if source.num_operators != count:
                what = f"has {source.num_operators} operators, and {tokens.path} has {count}"
                raise DataError(what, where=str(dataset), expected="equal numbers", remedy=REMEDY)
            features = source.read_all()[:, match_columns(source.names, names)][rows].astype(np.float32)
        values = read_parameters(dataset, count)
        encoded = read_parameters(tokens.path, count)
        if not values or not _equal(values, encoded):
            what = "its parameters differ from those of the token file"
            raise DataError(what, where=str(dataset), expected="equal parameters", remedy=REMEDY)
        family, policy, condition = (
            read_operator_label(dataset, name, count).astype(str) for name in ("family", "policy", "initial_condition")
        )
        table = OperatorTable(family, policy, values, condition, str(dataset))
        return cls(settings, rows, tokens.tokens[rows], features, selected(table, rows))

    def with_initial_fields(self, table: OperatorTable, repeats: int = 1) -> OperatorTable:
        """Return other operators with the initial conditions of the original ones, each of them ``repeats`` times."""
        condition = self.operators.condition
        assert condition is not None, "Originals.read reads the label"
        initial = {name: np.repeat(self.operators.values[name], repeats) for name in INITIAL}
        return replace(table, values={**table.values, **initial}, condition=np.repeat(condition, repeats))


def selected(table: OperatorTable, rows: NDArray[np.int64]) -> OperatorTable:
    """Return some rows of a table."""
    policy, condition = (None if each is None else each[rows] for each in (table.policy, table.condition))
    values = {name: column[rows] for name, column in table.values.items()}
    return OperatorTable(table.family[rows], policy, values, condition, table.where)


def _equal(first: Mapping[str, NDArray[np.float64]], second: Mapping[str, NDArray[np.float64]]) -> bool:
    """Return whether two sets of parameters have the same names and values."""
    same_names = first.keys() == second.keys()
    return same_names and all(np.array_equal(first[name], second[name], equal_nan=True) for name in first)


def choose_rows(candidates: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Return at most ``count`` of the candidates, drawn at random and sorted."""
    count = checked_integer("verify", count, minimum=1)
    drawn = np.random.default_rng(seed).permutation(candidates)[:count]
    return np.sort(drawn)


def _configuration(text: object, dataset: Path) -> DatasetConfig:
    """Return the configuration that a dataset contains."""
    try:
        values = parse_value(text) if isinstance(text, str) else None
    except ConfigTextError:
        values = None
    if not isinstance(values, dict):
        what = "contains no configuration of spinlock generate"
        raise DataError(what, where=str(dataset), remedy=REMEDY)
    return resolve_dataset_config(values, {})
