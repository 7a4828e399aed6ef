"""Category discovery without training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from numpy.typing import NDArray

from spinlock.arguments import checked_integer
from spinlock.categories.candidates import DiscoveryLimits
from spinlock.categories.mapping import save_mapping
from spinlock.categories.stability import Stability, bootstrap_stability
from spinlock.config import CategorySettings
from spinlock.config.keywords import ConfigKeywords
from spinlock.errors import DataError, located
from spinlock.io.atomic import check_writable, write_files
from spinlock.io.feature_table import FeatureTable
from spinlock.metrics.row_centroids import max_clipped_cosine
from spinlock.paths import user_path
from spinlock.preprocessing.training_data import TrainingData, fit_training_data, sample_fit_rows
from spinlock.runtime.isolation import isolated
from spinlock.sizing.selection import Selection, SelectionSummary
from spinlock.training.plan import select_categories
from spinlock.training_inputs import Config, training_inputs


@dataclass(frozen=True)
class Categories:
    """The discovered categories of a table, their scores and their stability.

    Attributes
    ----------
    columns
        {category: names of its columns}, larger categories first.
    dropped
        {column: reason} of the columns that cleaning dropped.
    summary
        Scores of the chosen partition and of all candidates, the orthogonality target, and the expected quality.
    stability
        Adjusted Rand index and agreement over bootstrap samples, or None if it was not measured.
    path
        Path of the table, or ``<memory>``.
    clipped_cosine
        Largest centroid cosine after the columns are clipped further; see :func:`spinlock.metrics.max_clipped_cosine`.
    notes
        What the user should know about the content of the table, for example rows that were never written.
    """

    columns: dict[str, tuple[str, ...]]
    dropped: dict[str, str]
    summary: SelectionSummary
    stability: Stability | None
    path: str
    clipped_cosine: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the categories."""
        return tuple(self.columns)

    @property
    def agreement(self) -> dict[str, float] | None:
        """{category: mean agreement of its columns over bootstrap samples, 0 to 1}; None if ``stability`` is None."""
        if self.stability is None:
            return None
        sizes = [len(columns) for columns in self.columns.values()]
        by_category = np.split(self._column_agreement(), np.cumsum(sizes)[:-1])
        return {name: float(values.mean()) for name, values in zip(self.columns, by_category, strict=True)}

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Write a mapping file for ``category_mapping_file``; it contains scores and stability as comments.

        Parameters
        ----------
        path
            JSON file to write.
        overwrite
            Whether an existing file is replaced.

        Raises
        ------
        DataError
            ``path`` is not a path.
        OutputError
            The file exists or cannot be written, or it is the table.
        """
        path = user_path(path, "path")
        comments: dict[str, Any] = {
            "dataset": self.path,
            "orthogonality_target": self.summary.target,
            "meets_target": self.summary.meets_target,
            "chosen": self.summary.chosen.rounded(),
            "clipped_cosine": None if self.clipped_cosine is None else round(self.clipped_cosine, 4),
            "candidates": [candidate.rounded() for candidate in self.summary.candidates],
            "dropped": self.dropped,
        }
        if self.stability is not None:
            columns = [column for members in self.columns.values() for column in members]
            comments["stability"] = {
                "draws": len(self.stability.adjusted_rand),
                "adjusted_rand": [round(value, 4) for value in self.stability.adjusted_rand.tolist()],
                "column_agreement": dict(zip(columns, np.round(self._column_agreement(), 4).tolist(), strict=True)),
            }
        check_writable(path, overwrite=overwrite, inputs=[self.path])
        write_files({path: save_mapping(self.columns, comments)}, overwrite=overwrite)

    def _column_agreement(self) -> NDArray[np.float64]:
        """Agreement of each column, in the order of ``columns``."""
        assert self.stability is not None, "the stability was measured"
        return self.stability.column_agreement


@isolated()
def discover_categories(
    table: FeatureTable | Any = None,
    config: Config = None,
    *,
    stability: int = 0,
    **keywords: Unpack[ConfigKeywords],
) -> Categories:
    """Group the features of a table into categories of correlated features, without training.

    Parameters
    ----------
    table
        A table of :func:`spinlock.read_features`, the path of a dataset, an array or a data frame. The default is the
        table that the configuration names.
    config
        A configuration, a mapping with some of its keys, or the path of its file. The other keys have their production
        values.
    stability
        Number of bootstrap samples of the rows on which the categories are discovered again.
    **keywords
        Keys of the configuration; they override ``config``.

    Returns
    -------
    Categories

    Raises
    ------
    ConfigError
        A key is unknown, a value is out of range, or a key contradicts the table.
    DataError
        The table cannot be read or is not suitable, a mapping file does not match it, or ``stability`` is not 0 or a
        larger integer, or is above 0 with a mapping file.
    """
    stability = checked_integer("stability", stability, minimum=0)
    settings, table = training_inputs(table, config, keywords)
    _check_stability(stability, settings)
    seed = settings.random_seed
    with located(table.path):
        data = fit_training_data(table, data=settings, cleaning=settings, seed=seed, device=torch.device("cpu"))
        fit_rows = sample_fit_rows(data, settings.fit_rows, seed)
        selection = select_categories(data, fit_rows, categories=settings, model=settings, seed=seed)
    names = data.cleaner.kept_names
    groups = zip(selection.category_names, selection.groups, strict=True)
    train = data.cleaner.to_z_scores(data.train.cpu().numpy())
    return Categories(
        columns={name: tuple(names[j] for j in group) for name, group in groups},
        dropped=dict(data.cleaner.dropped),
        summary=selection.summary,
        stability=_measure_stability(data, selection, settings, stability, seed) if stability else None,
        path=table.path,
        clipped_cosine=max_clipped_cosine(train, [np.array(group) for group in selection.groups]),
        notes=table.notes,
    )


def _check_stability(draws: int, settings: CategorySettings) -> None:
    """Raise an error if bootstrap samples are requested that cannot be used."""
    if draws and settings.category_mapping_file is not None:
        raise DataError(
            f"stability with category_assignment {settings.category_assignment}",
            expected="category_assignment auto, because the discovery on bootstrap samples uses no mapping file",
            remedy="set stability to 0",
        )


def _measure_stability(
    data: TrainingData, selection: Selection, settings: CategorySettings, draws: int, seed: int
) -> Stability:
    """Measure the stability, with the agreement of the columns in the order of the categories."""
    limits = DiscoveryLimits(settings.orthogonality_target, settings.min_features_per_category, settings.max_clusters)
    measured = bootstrap_stability(
        data.cleaner.to_z_scores(data.train.cpu().numpy()).astype(np.float64),
        selection.labels,
        selection.summary.chosen.distance,
        limits,
        draws=draws,
        rng=np.random.default_rng(seed),
    )
    order = [column for group in selection.groups for column in group]
    return Stability(measured.adjusted_rand, measured.column_agreement[order])
