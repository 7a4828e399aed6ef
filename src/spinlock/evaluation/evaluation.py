"""The result of an evaluation: the report of a tokenizer with all sections, as named numbers and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spinlock.evaluation.aliasing import Aliasing
from spinlock.evaluation.best_epoch import BestEpoch
from spinlock.evaluation.compression.section import Compression
from spinlock.evaluation.discriminability.section import Discriminability
from spinlock.evaluation.health import Health
from spinlock.evaluation.metrics_file import metrics_content, metrics_file
from spinlock.evaluation.reconstruction.section import Reconstruction
from spinlock.evaluation.reconstruction.shift import Shift
from spinlock.evaluation.report import Report
from spinlock.evaluation.stability.churn import Churn
from spinlock.evaluation.stability.section import Stability
from spinlock.evaluation.topology import Topology

FORMAT_VERSION = 1
"""Version of the keys of ``metrics.json``. It increases if a key is removed or its meaning changes."""


@dataclass(frozen=True)
class Setup:
    """What was evaluated, and how.

    Attributes
    ----------
    table, model
        Paths of the table and of the checkpoint, or ``<memory>``.
    model_sha256
        SHA-256 of the weights.
    same_table
        Whether the table is the training table of the model.
    num_operators, num_table_rows
        Operators and rows of the table.
    num_rows
        Rows of the sections. They are a sample if the evaluated rows are more than ``max_rows``.
    sampled
        Whether the sections were measured on a sample.
    num_columns, num_kept_columns, num_categories
        Input columns, columns that the model uses, and categories.
    assignment
        ``local`` or ``joint``.
    seed
        Seed of all samples, fits and permutations.
    versions
        Versions of the software.
    """

    table: str
    model: str
    model_sha256: str
    same_table: bool
    num_operators: int
    num_table_rows: int
    num_rows: int
    sampled: bool
    num_columns: int
    num_kept_columns: int
    num_categories: int
    assignment: str
    seed: int
    versions: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Evaluation(Report):
    """Report of a tokenizer with all sections; a section that was not requested is None.

    Attributes
    ----------
    setup
        What was evaluated, and how.
    best_epoch
        The selected epoch of the training run.
    compression
        Bits per row, and quality at these bits.
    reconstruction
        Errors of the rows.
    shift
        Differences of a second dataset; None without one.
    topology
        Preservation of distances and neighborhoods.
    discriminability
        What tokens say about labels and parameters.
    aliasing
        Different rows with the same tokens.
    stability
        Which tokens survive a second encoding, noise, and other realizations.
    churn
        Differences of the tokens of another model; None without one.
    health
        Use of each codebook.
    """

    setup: Setup
    best_epoch: BestEpoch
    compression: Compression | None = None
    reconstruction: Reconstruction | None = None
    shift: Shift | None = None
    topology: Topology | None = None
    discriminability: Discriminability | None = None
    aliasing: Aliasing | None = None
    stability: Stability | None = None
    churn: Churn | None = None
    health: Health | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the content of ``metrics.json``; values that are NaN or infinite are None."""
        return metrics_content(self, FORMAT_VERSION)

    def to_json(self) -> bytes:
        """Return ``metrics.json``."""
        return metrics_file(self.to_dict())
