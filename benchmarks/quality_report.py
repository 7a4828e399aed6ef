"""Tables and plot of the results of ``quality.py``."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

import markdown
from markdown import mean_and_half_range

METHODS = ("joint", "local", "faiss", "network")
NAMES = {"joint": "Spinlock, joint", "local": "Spinlock, local", "faiss": "faiss RQ", "network": "ResidualVQ network"}
COLORS = {"joint": "#1f4e9c", "local": "#5b9bd5", "faiss": "#d1661b", "network": "#6a9a3b"}
MARKERS = {"joint": "o", "local": "s", "faiss": "^", "network": "D"}

Cell = dict[str, Any]
"""The result of one method at one rate and with one seed."""

Result = dict[str, Any]
"""The content of one result file."""


def cells_at(result: Result, bits: int) -> dict[str, list[Cell]]:
    """Return the cells of each method at a nominal rate, one for each seed."""
    at_rate = [cell for cell in result["cells"] if cell["nominal_bits"] == bits]
    return {method: [cell for cell in at_rate if cell["method"] == method] for method in METHODS}


def rates(result: Result) -> list[int]:
    """Return the nominal rates in bits per row, in ascending order."""
    return sorted({cell["nominal_bits"] for cell in result["cells"]})


def mean_of(cells: list[Cell], key: str) -> float:
    """Return the mean of a value over seeds."""
    return mean(cell[key] for cell in cells)


def report(results: list[Result]) -> str:
    """Return the summary, the full table of each dataset, and the comparison with the goals."""
    return "\n\n".join([summary_table(results), *map(full_table, results), goals_table(results)])


def summary_table(results: list[Result]) -> str:
    """Return the quality of every method, with one row for each dataset and rate.

    The seeds, the bits and the Gaussian reference of a row are those of joint tokens. A method with other ones has its
    own in its cell.
    """
    columns = "table", "seeds", "bits", "Gaussian R(D)", "joint tokens", "local tokens", "faiss", "ResidualVQ network"
    rows = []
    for result in results:
        for cells in (cells_at(result, bits) for bits in rates(result)):
            joint = cells["joint"]
            if joint:
                bits = mean_of(joint, "bits")
                reference = f"{mean_of(joint, 'gaussian_reference'):.3f}"
                qualities = [_summary_cell(cells[method], joint) for method in METHODS]
                rows.append((result["table"], seeds_of(joint), f"{bits:.0f}", reference, *qualities))
    return markdown.table(columns, rows)


def seeds_of(cells: list[Cell]) -> str:
    """Return the seeds of cells, such as ``0, 1, 2``."""
    return ", ".join(str(seed) for seed in sorted({cell["seed"] for cell in cells}))


def _named_seeds(cells: list[Cell]) -> str:
    """Return for example ``seed 0`` or ``seeds 0, 1``."""
    return f"{'seeds' if len(cells) > 1 else 'seed'} {seeds_of(cells)}"


def _summary_cell(cells: list[Cell], joint: list[Cell]) -> str:
    if not cells:
        return "not measured"
    text, bits = mean_and_half_range([cell["quality"] for cell in cells]), mean_of(cells, "bits")
    remarks = []
    if abs(bits - mean_of(joint, "bits")) > 1:
        remarks.append(f"{bits:.0f} bits, R(D) {mean_of(cells, 'gaussian_reference'):.3f}")
    if seeds_of(cells) != seeds_of(joint):
        remarks.append(_named_seeds(cells))
    return f"{text} ({'; '.join(remarks)})" if remarks else text


def full_table(result: Result) -> str:
    """Return all metrics of one dataset, as the mean over seeds ± half the range."""
    columns = (
        "max bits",
        "method",
        "bits",
        "held-out quality",
        "Gaussian R(D)",
        "gap to R(D) (dB)",
        "training quality",
        "utilization",
        "topographic correlation",
        "max centroid cosine",
        "fit (s)",
        "encode (rows/s)",
    )
    rows = [
        _full_row(bits, method, cells, seeds_of(result["cells"]))
        for bits in rates(result)
        for method, cells in cells_at(result, bits).items()
        if cells
    ]
    seeds = seeds_of(result["cells"])
    size = f"{result['rows']} rows, {result['columns']} columns"
    return f"### {result['table']}: {size}, seeds {seeds} ({result['machine']})\n\n{markdown.table(columns, rows)}"


def _full_row(bits: int, method: str, cells: list[Cell], seeds: str) -> list[str]:
    def value(key: str, digits: int = 3) -> str:
        return mean_and_half_range([cell[key] for cell in cells], digits) if all(key in cell for cell in cells) else "-"

    def rounded(key: str) -> str:
        values = [cell[key] for cell in cells if key in cell]
        return f"{mean(values):,.0f}" if values else "-"

    return [
        f"{bits}",
        NAMES[method] if seeds_of(cells) == seeds else f"{NAMES[method]} ({_named_seeds(cells)})",
        rounded("bits"),
        value("quality"),
        value("gaussian_reference"),
        value("gap_db", 2),
        value("train_quality"),
        value("utilization"),
        value("topographic_correlation"),
        value("max_centroid_cosine"),
        rounded("seconds"),
        rounded("rows_per_second"),
    ]


def gains_table(results: list[Result]) -> str:
    """Return the quality of local tokens before and after training, compared with that of the ResidualVQ network.

    A row has the means over seeds of one dataset and rate, and the smallest gain of a seed.
    """
    networks = {
        (result["table"], cell["nominal_bits"], cell["seed"]): cell["quality"]
        for result in results
        for cell in result["cells"]
        if cell["method"] == "network"
    }
    columns = (
        "table",
        "bits",
        "seeds",
        "epoch 0",
        "after training",
        "gain",
        "smallest gain",
        "best epochs",
        "ResidualVQ network",
    )
    rows = []
    for result in results:
        for bits in rates(result):
            cells = sorted(cells_at(result, bits)["local"], key=lambda cell: cell["seed"])
            if not cells:
                continue
            gains = [cell["quality"] - cell["initial_quality"] for cell in cells]
            keys = [(result["table"], bits, cell["seed"]) for cell in cells]
            network = f"{mean(networks[key] for key in keys):.4f}" if all(key in networks for key in keys) else "-"
            rows.append(
                (
                    result["table"],
                    f"{mean_of(cells, 'bits'):.0f}",
                    ", ".join(str(cell["seed"]) for cell in cells),
                    f"{mean_of(cells, 'initial_quality'):.4f}",
                    f"{mean_of(cells, 'quality'):.4f}",
                    f"{mean(gains):+.4f}",
                    f"{min(gains):+.4f}",
                    ", ".join(str(cell["settings"]["best_epoch"]) for cell in cells),
                    network,
                )
            )
    return markdown.table(columns, rows)


def goals_table(results: list[Result]) -> str:
    """Return the goals of joint tokens, and by how much the mean quality over seeds exceeds or misses them."""
    rows = []
    for result in results:
        for bits in rates(result):
            cells = cells_at(result, bits)
            if cells["joint"] and cells["faiss"]:
                goal, margin = _goal(bits, cells["joint"], cells["faiss"])
                rows.append((result["table"], f"{bits}", goal, f"{margin:+.4f}", "met" if margin >= 0 else "missed"))
    return markdown.table(("table", "bits", "goal", "margin", "result"), rows)


def _goal(bits: int, joint: list[Cell], faiss: list[Cell]) -> tuple[str, float]:
    """Return the goal at a rate, and the quality of joint tokens minus the goal.

    Up to 150 bits the goal is the Gaussian reference. Above it is the quality of faiss + 0.03, or a distance of at most
    0.5 dB (up to 200 bits) or 1 dB from the reference. If faiss is above 0.99, the goal is the quality of faiss.
    """
    quality, reference = mean_of(joint, "quality"), mean_of(joint, "gaussian_reference")
    peer = mean_of(faiss, "quality")
    if bits <= 150:
        return "Gaussian R(D)", quality - reference
    if peer > 0.99:
        return "faiss", quality - peer
    decibel = 0.5 if bits <= 200 else 1.0
    near = 1 - (1 - reference) * 10 ** (decibel / 10)
    return f"faiss + 0.03, or within {decibel:g} dB of R(D)", max(quality - peer - 0.03, quality - near)


def plot(results: list[Result], path: Path) -> None:
    """Plot the quality over bits, with one panel for each dataset and the range over seeds."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    columns = min(3, len(results))
    rows = math.ceil(len(results) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.2 * columns, 3.4 * rows), squeeze=False)
    for axis, result in zip(axes.flat, results, strict=False):
        _plot_panel(axis, result)
    for axis in axes.flat[len(results) :]:
        axis.axis("off")
    for axis in axes[:, 0]:
        axis.set_ylabel("held-out quality")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3, frameon=False)
    figure.tight_layout(rect=(0, 0.12 / rows + 0.02, 1, 1))
    figure.savefig(path, dpi=130)


def _plot_panel(axis: Any, result: Result) -> None:
    by_seed = list(result["gaussian_reference"].values())
    curve = {int(bits): mean(values[bits][1] for values in by_seed) for bits in by_seed[0]}
    label = "Gaussian R(D), held-out rows"
    axis.plot(list(curve), list(curve.values()), color="0.35", linewidth=1, linestyle="--", label=label)
    for method in METHODS:
        at_rates = [cells for bits in rates(result) if (cells := cells_at(result, bits)[method])]
        if not at_rates:
            continue
        quality = np.array([mean_of(cells, "quality") for cells in at_rates])
        lowest = np.array([min(cell["quality"] for cell in cells) for cells in at_rates])
        highest = np.array([max(cell["quality"] for cell in cells) for cells in at_rates])
        axis.errorbar(
            [mean_of(cells, "bits") for cells in at_rates],
            quality,
            yerr=[quality - lowest, highest - quality],
            color=COLORS[method],
            marker=MARKERS[method],
            markersize=4,
            linewidth=1.2,
            capsize=2,
            label=NAMES[method],
        )
    floor = min(cell["quality"] for cell in result["cells"]) - 0.03
    axis.set(title=result["table"], xlabel="bits per row", xlim=(90, 330), ylim=(floor, 1.0))
    axis.grid(color="0.9")
