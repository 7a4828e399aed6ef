"""Cleaning of raw feature rows for the model, and its inverse, both fitted on training rows.

    values = normalize(clip(impute(x[:, kept])))

Columns that are mostly missing, near-constant or duplicates of another column are dropped. Remaining NaN and infinite
cells are replaced by the training median, and values are clipped to training percentiles. Statistics are float64. Each
row is cleaned independently of the others, so results do not depend on the batch size.

Letters: ``n`` rows, ``D`` columns of the file, ``U`` kept columns, which are the input of the model.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.arrays.row_precision import RawRows
from spinlock.preprocessing import normalization
from spinlock.preprocessing.cleaned_rows import CleanedRows, ColumnRanges, ZScores
from spinlock.preprocessing.column_statistics import CleaningRules, DropKind, DropReason, Screening, screen
from spinlock.preprocessing.duplicates import Duplicate, find_duplicates
from spinlock.preprocessing.knots import Knots
from spinlock.preprocessing.normalization import Normalizer, Standard
from spinlock.preprocessing.ranks import fit_ranks

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]

MIN_BLOCK_ROWS, MAX_BLOCK_ROWS, MAX_BLOCK_CELLS = 128, 512, 1 << 20
"""Limits of the rows and of the cells of a block that is cleaned at a time. Larger blocks need more memory but fewer
calls of NumPy, between which threads wait for each other."""

MAX_SPACING = 1 / 16
"""Maximum spacing of the float32 numbers near a column's values, in standard deviations of the column."""

FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Cleaner:
    """Fitted cleaning of raw rows; see :meth:`fit`, :meth:`transform` and :meth:`inverse_transform`.

    Attributes
    ----------
    names
        Names [D] of all columns.
    kept
        Positions [U] of the kept columns.
    screening
        Statistics of all columns, and the reasons why unusable columns are dropped.
    duplicates
        The duplicate columns.
    normalizer
        Normalization of the kept columns.
    ranks
        Distribution functions of the kept columns; None for a checkpoint of an earlier version, which has none.
    """

    names: tuple[str, ...]
    kept: NDArray[np.int64]
    screening: Screening
    duplicates: tuple[Duplicate, ...]
    normalizer: Normalizer
    ranks: Knots | None = None

    @classmethod
    def fit(cls, x_train: RawRows, names: Sequence[str], settings: CleaningRules) -> Self:
        """Select the columns and compute all statistics.

        Parameters
        ----------
        x_train
            Raw training rows [n, D].
        names
            Names [D] of the columns.
        settings
            Thresholds of the cleaning.

        Returns
        -------
        Cleaner

        Raises
        ------
        DataError
            Fewer than two columns can be used.
        """
        screening = screen(x_train, settings)
        usable = np.array([j for j in range(len(names)) if j not in screening.reasons], dtype=np.int64)
        _require_two(len(usable), screening)
        z_blocks = partial(screening.z_scored_blocks, x_train, usable)
        threshold = settings.duplicate_correlation
        duplicates = find_duplicates(z_blocks, usable, screening.mean, screening.std, threshold, x_train)
        kept = np.setdiff1d(usable, [duplicate.column for duplicate in duplicates])
        _require_two(len(kept), screening, num_duplicates=len(duplicates))
        if settings.normalization_method == Standard.method:
            normalizer: Normalizer = Standard(screening.mean[kept], screening.std[kept])
        else:
            blocks = screening.clipped_columns(x_train, kept)
            normalizer = normalization.fit(settings.normalization_method, blocks)
        ranks = fit_ranks(x_train, kept, screening.median)
        return cls(tuple(names), kept, screening, tuple(duplicates), normalizer, ranks)

    @property
    def kept_names(self) -> tuple[str, ...]:
        """Names [U] of the kept columns."""
        return tuple(self.names[j] for j in self.kept.tolist())

    @property
    def mean(self) -> Floats:
        """Training mean [U] of the kept columns after imputing and clipping."""
        return self.screening.mean[self.kept]

    @property
    def std(self) -> Floats:
        """Training standard deviation [U] of the kept columns after imputing and clipping."""
        return self.screening.std[self.kept]

    @property
    def dropped(self) -> dict[str, str]:
        """Reason for each dropped column, by its name, in the order of the file."""
        return {name: reason.text for name, reason in self._drop_reasons().items()}

    def dropped_by_reason(self) -> dict[DropKind, tuple[str, ...]]:
        """Group the dropped columns by the kind of reason.

        Returns
        -------
        dict
            Names of the dropped columns, in the order of the file, by the keys ``missing``, ``constant`` and
            ``duplicate``. A kind without columns is absent. ``constant`` includes near-constant columns.
        """
        reasons = self._drop_reasons()
        groups = {kind: tuple(n for n, reason in reasons.items() if reason.kind == kind) for kind in get_args(DropKind)}
        return {kind: columns for kind, columns in groups.items() if columns}

    def _drop_reasons(self) -> dict[str, DropReason]:
        """Return the reason for each dropped column, in the order of the file."""
        duplicates = {
            each.column: DropReason("duplicate", f"duplicates {self.names[each.original]} (r = {each.r:+.6f})")
            for each in self.duplicates
        }
        reasons = self.screening.reasons | duplicates
        return {self.names[j]: reasons[j] for j in sorted(reasons)}

    def transform(self, x: RawRows) -> CleanedRows:
        """Convert raw rows [n, D] to normalized values [n, U]."""
        values = np.empty((len(x), len(self.kept)), dtype=np.float32)
        imputed, clipped = np.empty((2, len(x)))
        ranges = []
        block_rows = max(MIN_BLOCK_ROWS, min(MAX_BLOCK_ROWS, MAX_BLOCK_CELLS // len(self.kept)))
        for start in range(0, max(1, len(x)), block_rows):  # a table without rows is one empty block
            block = slice(start, start + block_rows)
            raw = x[block, self.kept].astype(np.float64)
            finite = np.isfinite(raw)
            inside = self.screening.impute_and_clip(raw, finite, self.kept)
            imputed[block] = 1 - finite.mean(axis=1)
            outside = finite & (inside != raw)
            clipped[block] = outside.mean(axis=1)
            ranges.append(ColumnRanges.of_block(raw, finite, outside))
            values[block] = self.normalizer.transform(inside)
        return CleanedRows(values, imputed, clipped, ColumnRanges.joined(ranges))

    @property
    def raw_dtype(self) -> np.dtype[Any]:
        """float32, or float64 if the spacing of float32 numbers is not small compared with the scale of a column."""
        size = np.maximum(np.abs(self.screening.lower), np.abs(self.screening.upper))[self.kept]
        spacing = np.finfo(np.float32).eps * size
        return np.dtype(
            np.float64
            if (spacing > MAX_SPACING * np.minimum(self.std, self.normalizer.scales().scale)).any()
            else np.float32
        )

    def inverse_transform(self, values: Rows) -> RawRows:
        """Convert normalized values [n, U] to raw units in all columns, ``raw_dtype`` [n, D].

        A near-constant or mostly missing column gets its training median. A duplicate is computed from its original. A
        column without a finite training cell is NaN.
        """
        raw = np.empty((len(values), len(self.names)))
        raw[:] = self.screening.median
        raw[:, self.kept] = self.normalizer.inverse(values.astype(np.float64))
        for duplicate in self.duplicates:
            raw[:, duplicate.column] = duplicate.offset + duplicate.slope * raw[:, duplicate.original]
        return raw.clip(-FLOAT32_MAX, FLOAT32_MAX, out=raw).astype(self.raw_dtype, copy=False)

    def to_z_scores(self, values: Rows) -> Rows:
        """Convert normalized values [n, U] to z-scored, clipped units. For ``standard`` they are the same."""
        if self.normalizer.standardizes:
            return values
        raw = self.normalizer.inverse(values.astype(np.float64))
        return ((raw - self.mean) / self.std).astype(np.float32)

    def z_scores_of_all_columns(self, x: RawRows) -> ZScores:
        """Convert raw rows [n, D] to z-scored, clipped units in all columns, including the dropped ones."""
        raw = x.astype(np.float64)
        finite = np.isfinite(raw)
        varies = self.screening.std > 0
        clipped = self.screening.impute_and_clip(raw, finite, np.arange(len(self.names)))
        z = np.zeros(raw.shape)
        z[:, varies] = (clipped[:, varies] - self.screening.mean[varies]) / self.screening.std[varies]
        return ZScores(z.astype(np.float32), finite & varies)

    def state(self) -> dict[str, Any]:
        """Return the input of :meth:`from_state`: nested dictionaries and lists of strings, numbers and arrays."""
        statistics = ("median", "lower", "upper", "mean", "std", "missing")
        return {
            "names": list(self.names),
            "kept": self.kept,
            "columns": {key: getattr(self.screening, key) for key in statistics},
            "reasons": [[column, reason.kind, reason.text] for column, reason in self.screening.reasons.items()],
            "twins": [asdict(duplicate) for duplicate in self.duplicates],
            "normalizer": self.normalizer.state(),
            **({} if self.ranks is None else {"ranks": self.ranks.state()}),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Restore a cleaner from the result of :meth:`state`."""
        statistics = {key: np.asarray(value) for key, value in state["columns"].items()}
        reasons = {int(column): DropReason(kind, str(text)) for column, kind, text in state["reasons"]}
        return cls(
            names=tuple(state["names"]),
            kept=np.asarray(state["kept"], dtype=np.int64),
            screening=Screening(**statistics, reasons=reasons),
            duplicates=tuple(Duplicate(**values) for values in state["twins"]),
            normalizer=normalization.from_state(state["normalizer"]),
            ranks=Knots.from_state(state["ranks"]) if "ranks" in state else None,
        )


def _require_two(usable: int, screening: Screening, num_duplicates: int = 0) -> None:
    """Raise a :class:`DataError` unless at least two columns can be used."""
    if usable >= 2:
        return
    if not np.isfinite(screening.median).any():
        raise DataError("the training rows contain no finite value", expected="a table of numbers")
    counts = Counter(reason.kind for reason in screening.reasons.values()) + Counter(duplicate=num_duplicates)
    dropped = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    raise DataError(
        f"only {usable} of {len(screening.median)} columns can be used ({dropped})",
        expected="at least two columns that vary, are mostly finite and are no duplicates",
    )
