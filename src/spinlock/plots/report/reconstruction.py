"""Section *reconstruction* of the page, with the shift of a second dataset."""

from __future__ import annotations

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from spinlock.evaluation.reconstruction.section import Reconstruction
from spinlock.evaluation.reconstruction.shift import Shift
from spinlock.evaluation.reconstruction.worst_rows import WorstRow
from spinlock.plots.charts import bars
from spinlock.plots.theme import BLUE, ORANGE, WIDTH, new_axes
from spinlock.plots.view import Picture, Table, View, number, percent

MAX_BARS = 20
"""Number of columns whose shift is drawn."""


def view(result: Reconstruction, shift: Shift | None, *, are_validation_rows: bool) -> View:
    """Return the section; ``are_validation_rows`` says that the rows are the validation rows of the training run."""
    drift = result.drift
    finding = (
        f"The median row has a root mean square error of {result.error_median:.2f} normalized units, and 5% of the "
        f"rows have more than {result.error_95:.2f}."
    )
    if drift is not None:
        finding += (
            f" {percent(drift.share_above)} of the rows have larger errors than 95% of the validation rows of the "
            f"training run; rows like them would have 5%."
        )
    remarks = [
        f"{percent(result.imputed, 1)} of the cells were imputed, and {percent(result.clipped, 1)} were clipped."
    ]
    pictures, tables = [_errors(result, are_validation_rows)], [_worst(result.worst)]
    if shift is not None:
        pictures.append(_shift(shift))
        tables += _shift_tables(shift)
        remarks.append(_shift_text(shift))
    return View("reconstruction", "Reconstruction", finding, pictures, tables, remarks)


def _errors(result: Reconstruction, are_validation_rows: bool) -> Picture:
    histogram = result.histogram
    figure, axes = new_axes(WIDTH, 240)
    if result.drift is not None:
        axes.stairs(
            histogram.validation, histogram.edges, color=ORANGE, linewidth=1.6, label="validation rows of the run"
        )
    label = "these rows, the validation rows of the run" if are_validation_rows else "these rows"
    axes.stairs(histogram.rows, histogram.edges, color=BLUE, fill=True, alpha=0.75, label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("root mean square error of a row, normalized units")
    axes.set_ylabel("fraction of the rows")
    axes.margins(x=0)
    figure.legend(loc="outside upper left", ncols=2)
    if result.error_median > 0:
        title = f"The worst row has {result.error_max / result.error_median:.1f} times the error of the median row"
    else:
        title = f"The worst row has the error {result.error_max:.2g}, and the median row has none"
    return Picture(title, figure)


def _worst(rows: tuple[WorstRow, ...]) -> Table:
    cells = [
        (
            str(row.row),
            number(row.error, 2),
            f"{row.percentile:.0f}",
            "; ".join(row.causes) or "no cause found",
            "; ".join(f"{each.column}: {each.value:+.1f} → {each.decoded:+.1f}" for each in row.columns),
        )
        for row in rows
    ]
    note = (
        "The percentile is among the validation rows of the training run. The columns with the largest errors have the "
        "value and the decoded value in standard deviations from the training mean."
    )
    return Table(
        f"The {len(rows)} worst rows, and why", ("row", "error", "percentile", "why", "columns"), cells, note, True
    )


def _shift(shift: Shift) -> Picture:
    shown = shift.columns[:MAX_BARS]
    figure = bars([c.column for c in shown], [c.distance for c in shown], "Kolmogorov-Smirnov distance", limit=0.5)
    return Picture(
        f"{percent(shift.share_of_shifted_columns, 1)} of the columns differ by more than 5% of unshifted columns "
        "would",
        figure,
        f"The distances of 95% of columns without a shift are below {shift.noise_distance:.2f} for {shift.num_rows:,} "
        "independent rows.",
    )


def _shift_text(shift: Shift) -> str:
    text = f"The second dataset is {shift.table}; {shift.num_rows:,} rows of it have the quality {shift.quality:.3f}."
    if shift.errors is not None:
        text += f" {percent(shift.errors.share_above)} of them have larger errors than 95% of the evaluated rows."
    return text


def _shift_tables(shift: Shift) -> list[Table]:
    columns = [
        (c.column, number(c.distance, 2), f"{c.mean_shift:+.2f}", number(c.spread_ratio, 2)) for c in shift.columns
    ]
    tokens = [(name, number(distance, 2)) for name, distance in shift.tokens_by_category.items()]
    return [
        Table("Shift of the columns", ("column", "distance", "mean shift (std)", "ratio of spreads"), columns),
        Table("Shift of the first tokens", ("category", "total variation"), tokens),
    ]
