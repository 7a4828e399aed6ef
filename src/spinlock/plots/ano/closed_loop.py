"""Section *closed loop* of the page of an ANO."""

from __future__ import annotations

from spinlock.closed_loop.loop import BEST_DRAW, BEST_MODE, OTHER_STATES, REFERENCE, ClosedLoop
from spinlock.plots.charts import ROW, short
from spinlock.plots.theme import BLUE, INK, MUTED, ORANGE, WIDTH, new_axes
from spinlock.plots.view import Picture, Table, View, percent

KINDS = {"pde": "PDE operators", "neural": "Neural operators"}
STYLES = {BEST_MODE: (BLUE, "o"), BEST_DRAW: (ORANGE, "D"), REFERENCE: (INK, "|")}
"""Color and marker of what is drawn."""


def view(loop: ClosedLoop) -> View:
    """Return the section."""
    kind = next(iter(loop.agreement))
    arms = loop.agreement[kind]
    names = (BEST_MODE, BEST_DRAW, OTHER_STATES, REFERENCE)
    mode, best, other, reference = (percent(arms[name].equal_tokens, 1) for name in names)
    finding = (
        f"The best modes of {loop.operators[kind]} {KINDS[kind]}, rolled out from the initial states of the original "
        f"operators, have {mode} of the original tokens (standard error "
        f"{100 * arms[BEST_MODE].standard_error:.1f} points). From other initial states of the same kind, the original "
        f"operators have {reference} and the best modes {other}."
    )
    remarks = [
        "A prediction that is exactly right has all tokens if it starts from the initial states of the original "
        f"operator. The best of several draws is chosen by its tokens; it has {best}."
    ]
    if "neural" in loop.operators:
        remarks.append(
            f"The {loop.operators['neural']} neural operators are reported apart. Tokens do not contain their random "
            "weights, and ANO does not predict their policy: they are rolled out with new weights and a random policy."
        )
    tables = [_table(loop, name) for name in loop.agreement]
    return View("closed-loop", "Closed loop", finding, [_picture(loop)], tables, remarks)


def _picture(loop: ClosedLoop) -> Picture:
    names = sorted(loop.families, key=lambda name: loop.families[name][BEST_MODE] - loop.families[name][REFERENCE])
    figure, axes = new_axes(WIDTH, 96 + ROW * len(names))
    for name, (color, marker) in STYLES.items():
        values = [loop.families[family][name] for family in names]
        size = 120 if marker == "|" else 26
        axes.scatter(values, range(len(names)), color=color, marker=marker, s=size, label=name, zorder=3)
    for place, family in enumerate(names):
        ends = loop.families[family][BEST_MODE], loop.families[family][REFERENCE]
        axes.plot(ends, (place, place), color=MUTED, linewidth=1)
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel("fraction of equal tokens")
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside upper left", ncols=2)
    return Picture(
        f"{names[0]} is the family whose best mode is farthest below the original operator",
        figure,
        "Each row is a family. The bars are the original operators, started from other initial states.",
    )


def _table(loop: ClosedLoop, kind: str) -> Table:
    arms = loop.agreement[kind]
    levels = next(iter(arms.values())).by_level
    rows = [
        (
            name,
            f"{percent(each.equal_tokens, 1)} ± {100 * each.standard_error:.1f}",
            *(percent(value, 1) for value in each.by_level.values()),
            f"{each.feature_error:.2f}",
            percent(each.diverged, 1),
        )
        for name, each in arms.items()
    ]
    columns = ("simulated", "equal tokens", *levels, "feature error", "diverged")
    note = "Feature error: root mean square difference of the features in standard deviations."
    return Table(f"{KINDS[kind]}: {loop.operators[kind]}", columns, rows, note)
