"""Raw feature rows to the model's units and back: impute, clip, normalize. Fitted on training rows.

    values = normalize(clip(impute(x[:, kept])))

Dropped are columns that are mostly missing, near-constant, or duplicates of another; the remaining NaN and
inf become the training median; values are clipped to training percentiles. Statistics are float64. Each row
is treated on its own, so that results do not depend on how rows are batched.

Letters: ``n`` rows, ``D`` columns of the file, ``D_kept`` columns the model sees.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from spinlock.errors import DataError
from spinlock.io.names import listed
from spinlock.preprocessing import normalization
from spinlock.preprocessing.column_statistics import COLUMNS_AT_ONCE, CleaningRules, Screening, describe, screen
from spinlock.preprocessing.duplicates import Twin, correlations, find_twins
from spinlock.preprocessing.normalization import METHODS, Normalizer

Floats = NDArray[np.float64]
Rows = NDArray[np.float32]

ROWS_AT_ONCE = 8192

ROWS_IN_CACHE = 128
"""Cleaned at once: intermediate results of more leave the cache, and memory is asked for anew each time."""

FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class CleanedRows:
    """``values`` float32 [n, D_kept], normalized; shares [n] of the kept cells imputed or clipped."""

    values: Rows
    imputed: Floats
    clipped: Floats


@dataclass(frozen=True)
class ZScores:
    """``values`` float32 [n, D], z-scored, clipped; ``observed`` [n, D]: finite cells of varying columns."""

    values: Rows
    observed: NDArray[np.bool_]


@dataclass(frozen=True)
class Cleaner:
    """A fitted cleaning; see :meth:`fit`, :meth:`transform` and :meth:`inverse_transform`.

    ``kept`` [D_kept] indexes ``names`` [D]; ``dropped`` gives {name: reason} for all others.
    """

    names: tuple[str, ...]
    kept: NDArray[np.int64]
    dropped: dict[str, str]
    screening: Screening
    twins: tuple[Twin, ...]
    normalizer: Normalizer

    @classmethod
    def fit(cls, x_train: Rows, names: Sequence[str], settings: CleaningRules) -> Self:
        """Choose the columns and fit every statistic on the training rows [n, D].

        Raises:
            DataError: fewer than two columns can be used.
        """
        screening = screen(x_train, settings)
        usable = np.array([j for j in range(len(names)) if j not in screening.reasons], dtype=np.int64)
        _require_two(len(usable), screening)
        r = correlations(_z_blocks(x_train, usable, screening), len(usable))
        twins = find_twins(r, usable, screening.mean, screening.std, settings.duplicate_correlation, x_train)
        reasons = screening.reasons | {t.column: f"duplicates {names[t.of]} (r = {t.r:+.6f})" for t in twins}
        kept = np.array([j for j in usable.tolist() if j not in reasons], dtype=np.int64)
        _require_two(len(kept), screening, duplicates=len(twins))
        return cls(
            names=tuple(names),
            kept=kept,
            dropped={names[j]: reasons[j] for j in sorted(reasons)},
            screening=screening,
            twins=tuple(twins),
            normalizer=_fit_normalizer(x_train, kept, screening, settings.normalization_method),
        )

    @property
    def kept_names(self) -> tuple[str, ...]:
        """Names [D_kept] of the columns the model sees."""
        return tuple(self.names[j] for j in self.kept.tolist())

    @property
    def mean(self) -> Floats:
        """Training mean [D_kept] after imputing and clipping."""
        return self.screening.mean[self.kept]

    @property
    def std(self) -> Floats:
        """Training standard deviation [D_kept] after imputing and clipping."""
        return self.screening.std[self.kept]

    def transform(self, x: Rows) -> CleanedRows:
        """Raw rows [n, D] to normalized units, and how much had to be mended in each row."""
        values = np.empty((len(x), len(self.kept)), dtype=np.float32)
        imputed, clipped = np.empty((2, len(x)))
        for start in range(0, len(x), ROWS_IN_CACHE):
            here = slice(start, start + ROWS_IN_CACHE)
            raw = x[here, self.kept].astype(np.float64)
            finite = np.isfinite(raw)
            inside = _imputed_clipped(raw, finite, self.kept, self.screening)
            imputed[here] = 1 - finite.mean(axis=1)
            clipped[here] = (finite & (inside != raw)).mean(axis=1)
            values[here] = self.normalizer.transform(inside)
        return CleanedRows(values, imputed, clipped)

    def inverse_transform(self, values: Rows) -> Rows:
        """Normalized values [n, D_kept] to raw units with all columns, float32 [n, D].

        Near-constant and half-missing columns get their training median, duplicates the value their twin
        implies, columns without a single finite training cell NaN.
        """
        raw = np.empty((len(values), len(self.names)))
        raw[:] = self.screening.median
        raw[:, self.kept] = self.normalizer.inverse(values.astype(np.float64))
        for twin in self.twins:
            raw[:, twin.column] = twin.offset + twin.slope * raw[:, twin.of]
        return raw.clip(-FLOAT32_MAX, FLOAT32_MAX).astype(np.float32)

    def to_z_scores(self, values: Rows) -> Rows:
        """Normalized values [n, D_kept] in z-scored clipped units; the identity for ``standard``."""
        if self.normalizer.method == normalization.Standard.method:
            return values
        raw = self.normalizer.inverse(values.astype(np.float64))
        return ((raw - self.mean) / self.std).astype(np.float32)

    def z_scores_of_all_columns(self, x: Rows) -> ZScores:
        """Raw rows [n, D] in z-scored clipped units, all columns, for ``quality_all_columns``."""
        everything = np.arange(len(self.names))
        raw = x.astype(np.float64)
        finite = np.isfinite(raw)
        varies = self.screening.std > 0
        clipped = _imputed_clipped(raw, finite, everything, self.screening)
        z = np.zeros(raw.shape)
        z[:, varies] = (clipped[:, varies] - self.screening.mean[varies]) / self.screening.std[varies]
        return ZScores(z.astype(np.float32), finite & varies)

    def state(self) -> dict[str, Any]:
        """Everything :meth:`from_state` needs, as str, int, float, list, dict and NumPy arrays."""
        return {
            "names": list(self.names),
            "kept": self.kept,
            "dropped": dict(self.dropped),
            "columns": {
                key: getattr(self.screening, key) for key in ("median", "lower", "upper", "mean", "std", "missing")
            },
            "reasons": [[column, reason] for column, reason in self.screening.reasons.items()],
            "twins": [asdict(twin) for twin in self.twins],
            "normalizer": self.normalizer.state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The cleaner that gave this :meth:`state`, bit for bit."""
        columns = {key: np.asarray(value) for key, value in state["columns"].items()}
        return cls(
            names=tuple(state["names"]),
            kept=np.asarray(state["kept"], dtype=np.int64),
            dropped=dict(state["dropped"]),
            screening=Screening(**columns, reasons={int(column): str(reason) for column, reason in state["reasons"]}),
            twins=tuple(Twin(**twin) for twin in state["twins"]),
            normalizer=normalization.from_state(state["normalizer"]),
        )


def match_columns(dataset_names: Sequence[str], expected_names: Sequence[str]) -> NDArray[np.int64]:
    """Where each expected column is in the dataset: ``x[:, match_columns(...)]`` has the expected order.

    Extra columns are ignored; there are ``len(dataset_names) - len(expected_names)`` of them.

    Raises:
        DataError: expected columns are missing; names them.
    """
    position = {name: index for index, name in enumerate(dataset_names)}
    absent = [name for name in expected_names if name not in position]
    if absent:
        raise DataError(
            f"{len(absent)} of {len(expected_names)} columns are missing: {listed(absent)}",
            expected="every column that the model was trained on, by name",
        )
    return np.array([position[name] for name in expected_names], dtype=np.int64)


def _imputed_clipped(
    raw: Floats, finite: NDArray[np.bool_], columns: NDArray[np.int64], screening: Screening
) -> Floats:
    """Cells that are not ``finite`` to the median, then clipped to the limits; ``raw`` [n, len(columns)]."""
    imputed = raw if finite.all() else np.where(finite, raw, screening.median[columns])
    raised = np.maximum(imputed, screening.lower[columns])  # two passes are faster than one of clip
    return np.minimum(raised, screening.upper[columns], out=raised)


def _z_blocks(x: Rows, columns: NDArray[np.int64], screening: Screening) -> Iterator[Floats]:
    """The training rows' ``columns``, imputed, clipped and z-scored, a few thousand rows at a time."""
    for start in range(0, len(x), ROWS_AT_ONCE):
        raw = x[start : start + ROWS_AT_ONCE, columns].astype(np.float64)
        clipped = _imputed_clipped(raw, np.isfinite(raw), columns, screening)
        yield (clipped - screening.mean[columns]) / screening.std[columns]


def _fit_normalizer(x: Rows, kept: NDArray[np.int64], screening: Screening, method: str) -> Normalizer:
    """The named normalizer of the kept columns, a few at a time to keep the float64 copy small."""
    if method == normalization.Standard.method:
        return normalization.Standard(screening.mean[kept], screening.std[kept])
    kind: Any = METHODS[method]
    parts = []
    for start in range(0, len(kept), COLUMNS_AT_ONCE):
        columns = kept[start : start + COLUMNS_AT_ONCE]
        raw = x[:, columns].astype(np.float64)
        parts.append(kind.fit(_imputed_clipped(raw, np.isfinite(raw), columns, screening)))
    normalizer: Normalizer = kind.joined(parts)
    return normalizer


def _require_two(usable: int, screening: Screening, duplicates: int = 0) -> None:
    if usable >= 2:
        return
    if not np.isfinite(screening.median).any():
        raise DataError("the training rows hold no finite value", expected="a table of numbers")
    counts = describe(screening.reasons) | ({"duplicates": duplicates} if duplicates else {})
    found = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    raise DataError(
        f"only {usable} of {len(screening.median)} columns can be used ({found})",
        expected="at least two that vary, are mostly present and differ",
    )
