"""Section *stability* of the page, with the churn against another model."""

from __future__ import annotations

from spinlock.evaluation.stability.churn import Churn
from spinlock.evaluation.stability.section import Stability, Survival
from spinlock.plots.charts import bars, grouped_bars
from spinlock.plots.view import Picture, Table, View, number, percent


def view(result: Stability | None, churn: Churn | None) -> View:
    """Return the section."""
    finding, remarks = "", []
    pictures: list[Picture] = []
    tables: list[Table] = []
    if result is not None:
        kinds = _kinds(result)
        finding = (
            f"{percent(result.idempotence.all, 1)} of the tokens survive decoding and encoding again. "
            + " ".join(
                f"{percent(each.survival.all, 1)} survive noise of {percent(each.noise)}." for each in result.noise
            )
        )
        pictures.append(_levels(kinds))
        tables.append(_table(kinds))
        remarks.append(_realizations(result))
    if churn is not None:
        finding = f"{finding} {_churn_text(churn)}".strip()
        pictures.append(_churn(churn))
        tables.append(_churn_table(churn))
    return View("stability", "Stability", finding, pictures, tables, remarks)


def _kinds(result: Stability) -> list[tuple[str, Survival]]:
    kinds = [("decode and encode", result.idempotence)]
    kinds += [(f"noise of {percent(each.noise)}", each.survival) for each in result.noise]
    if result.realizations is not None:
        kinds.append(("halves of realizations", result.realizations.survival))
    return kinds


def _levels(kinds: list[tuple[str, Survival]]) -> Picture:
    figure = grouped_bars(
        ["level 1", "level 2", "level 3"],
        [(name, survival.by_level) for name, survival in kinds],
        "fraction of equal tokens",
    )
    return Picture("Fraction of tokens that do not change, by level", figure)


def _table(kinds: list[tuple[str, Survival]]) -> Table:
    names = sorted(kinds[0][1].by_category, key=lambda name: kinds[0][1].by_category[name])
    rows = [("all tokens", *(percent(survival.all, 1) for _, survival in kinds))]
    rows += [("rows without a change", *(percent(survival.unchanged_rows, 1) for _, survival in kinds))]
    rows += [(name, *(percent(survival.by_category[name], 1) for _, survival in kinds)) for name in names]
    return Table("Equal tokens by category, least stable first", ("category", *(name for name, _ in kinds)), rows)


def _realizations(result: Stability) -> str:
    halves = result.realizations
    if halves is None:
        return (
            "The halves of the realizations are not compared, because the dataset has no realizations of the columns."
        )
    return (
        f"The halves of {halves.num_realizations} realizations of {halves.num_operators:,} operators differ in "
        f"{halves.num_columns} columns. Columns whose halves the file does not have are the same in both."
    )


def _churn_text(churn: Churn) -> str:
    if churn.equal_tokens is not None:
        return f"{percent(churn.equal_tokens, 1)} of the tokens equal those of the other model."
    return (
        f"The other model has other categories. {percent(churn.neighbor_overlap)} of the 10 nearest rows by tokens are "
        "the same."
    )


def _churn(churn: Churn) -> Picture:
    figure = bars(
        [c.category for c in churn.categories], [c.agreement for c in churn.categories], "adjusted mutual information"
    )
    return Picture(
        f"Agreement with {churn.model}, least similar categories first",
        figure,
        "Agreement of the first token with that of the category of the other model that has most columns in common: 1 "
        "is the same partition of the rows, 0 is chance.",
    )


def _churn_table(churn: Churn) -> Table:
    rows = [(c.category, c.other, percent(c.common_columns), number(c.agreement, 2)) for c in churn.categories]
    note = (
        f"The other model has quality {churn.quality:.3f} on these rows. Pairwise distances by tokens of both models "
        f"correlate with r = {churn.distance_correlation:.3f}."
    )
    return Table(
        "Categories of both models",
        ("category", "other model", "common columns", "agreement"),
        rows,
        note,
        two_names=True,
    )
