"""Section *health* of the page."""

from __future__ import annotations

import math

import numpy as np

from spinlock.evaluation.health import Health
from spinlock.plots.charts import ROW, heat_map, short
from spinlock.plots.theme import BLUE, MUTED, PINK, SKY, WIDTH, new_axes
from spinlock.plots.view import Picture, Table, View, number, percent


def view(result: Health) -> View:
    """Return the section."""
    finding = (
        f"{result.num_codes - result.num_dead_codes:,} of {result.num_codes:,} codes are used by at least one of "
        f"{result.num_known_rows:,} known rows."
    )
    if result.zero_bit_codebooks:
        finding += f" Codebooks that carry no bits: {', '.join(result.zero_bit_codebooks)}."
    if result.determined_codebooks:
        finding += f" Codebooks that follow from coarser codes: {', '.join(result.determined_codebooks)}."
    return View(
        "health", "Health of the codebooks", finding, [_perplexity(result), _entropies(result)], [_table(result)]
    )


def _perplexity(result: Health) -> Picture:
    names = [entry.category for entry in result.level_entropies]
    ratios = np.array([codebook.perplexity_ratio for codebook in result.codebooks]).reshape(len(names), -1)
    order = np.argsort(ratios.min(1), kind="stable")
    levels = [f"level {level + 1}" for level in range(ratios.shape[1])]
    return Picture(
        f"The codebooks are used with a mean perplexity of {ratios.mean():.0%} of their size",
        heat_map(ratios[order], [names[c] for c in order], levels),
        "Perplexity divided by the number of codes: 1 means that all codes are equally frequent. Few rows lower it.",
    )


def _entropies(result: Health) -> Picture:
    names = [entry.category for entry in result.level_entropies]
    bits = np.array([entry.bits for entry in result.level_entropies])
    sizes = np.array([codebook.size for codebook in result.codebooks]).reshape(len(names), -1)
    figure, axes = new_axes(WIDTH, 84 + ROW * len(names))
    left = np.zeros(len(names))
    labels = ("H(L0)", "H(L1 | L0)", "H(L2 | L0, L1)")
    for level, (color, label) in enumerate(zip((BLUE, SKY, PINK), labels, strict=True)):
        axes.barh(range(len(names)), bits[:, level], left=left, color=color, height=0.7, label=label)
        left += bits[:, level]
    limits = [math.fsum(map(math.log2, row)) for row in sizes.tolist()]
    axes.plot(limits, range(len(names)), "|", color=MUTED, markersize=11, markeredgewidth=2, label="log2 of the codes")
    axes.set_yticks(range(len(names)), [short(name, 24) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1.05 * max(*limits, 1.0))
    axes.set_xlabel("bits")
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside upper left", ncols=2)
    return Picture(
        "Bits that each level adds to the coarser ones",
        figure,
        f"Measured on {result.num_known_rows:,} rows; with fewer rows than combinations of codes, the fine levels seem "
        "to carry less than they do.",
    )


def _table(result: Health) -> Table:
    ordered = sorted(result.codebooks, key=lambda codebook: codebook.perplexity_ratio)
    rows = [
        (
            codebook.name,
            str(codebook.size),
            percent(codebook.utilization),
            percent(codebook.expected_utilization),
            number(codebook.perplexity, 1),
            number(codebook.entropy_bits, 2),
            str(len(codebook.dead_codes)),
        )
        for codebook in ordered
    ]
    columns = ("codebook", "codes", "used", "expected", "perplexity", "entropy (bits)", "dead codes")
    note = "Expected: the utilization by as many rows if all codes were equally likely. No known row uses dead codes."
    return Table("All codebooks, least used first", columns, rows, note)
