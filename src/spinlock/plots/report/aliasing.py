"""Section *aliasing* of the page."""

from __future__ import annotations

from spinlock.evaluation.aliasing import Aliasing
from spinlock.plots.charts import heat_map
from spinlock.plots.view import Picture, Table, View, number, percent

LEVELS = ("level 1", "1–2", "1–3")


def view(result: Aliasing) -> View:
    """Return the section."""
    finding = (
        f"{percent(result.unique_by_level[-1], 1)} of the rows have tokens that no other row has, and "
        f"{percent(result.unique_by_level[0], 1)} already at the first level."
    )
    if result.num_aliased_rows:
        finding += (
            f" {result.num_aliased_rows:,} rows share all tokens with a row of other features, in "
            f"{result.num_groups:,} groups."
        )
    else:
        finding += " No two rows of different features share all tokens."
    remarks = []
    if result.num_copied_rows:
        remarks.append(f"{result.num_copied_rows:,} rows have the same features as another evaluated row.")
    values = {"all categories": result.unique_by_level, **result.unique_by_category}
    picture = Picture(
        "How much of a row its tokens identify",
        heat_map(list(values.values()), list(values), LEVELS),
        "Fraction of the rows whose tokens no other evaluated row has, for all categories together and for each alone.",
    )
    groups = [
        (
            ", ".join(map(str, group.rows)) + (" …" if group.num_rows > len(group.rows) else ""),
            str(group.num_rows),
            number(group.largest_distance, 2),
        )
        for group in result.groups
    ]
    note = (
        f"The distance is the root mean square difference in standard deviations; two random rows have "
        f"{number(result.typical_distance, 2)}."
    )
    tables = (
        [Table("Different rows that share all tokens", ("rows", "number", "largest distance"), groups, note)]
        if groups
        else []
    )
    return View("aliasing", "Aliasing", finding, [picture], tables, remarks)
