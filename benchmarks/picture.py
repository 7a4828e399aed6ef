"""The figure of the README: operators of each family, four frames of a run of each, and their tokens.

scripts/demo
poetry run python benchmarks/picture.py --vqvae-model checkpoints/vqvae/quickstart/best_model.pt
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import h5py
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

import spinlock as sl

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "configs" / "datasets" / "quickstart.yaml"
FRAMES = 4
OPERATORS = 48
"""Number of operators that are generated; among them is at least one of each family."""

DARK, LIGHT = "#222222", "#777777"


def draw(dataset: Path, tokenizer: sl.Tokenizer, picture: Path) -> None:
    """Draw a row for each family: frames of its first operator, and the tokens of this operator."""
    table = sl.read_features(dataset)
    family = np.asarray(table.labels["family"], dtype=np.str_)
    rows = [int(np.flatnonzero(family == name)[0]) for name in dict.fromkeys(family.tolist())]
    columns = [table.names.index(name) for name in tokenizer.feature_names]
    tokens = tokenizer.encode(table.rows[rows][:, columns])
    sizes = np.array([size for levels in tokenizer.codebook_sizes.values() for size in levels])
    with h5py.File(dataset) as file:
        fields = [file["outputs/fields"][row, 0, :, 0] for row in rows]
    figure = Figure(figsize=(11, 0.62 * len(rows) + 0.8), layout="none")
    grid = figure.add_gridspec(
        len(rows),
        FRAMES + 1,
        width_ratios=[1] * FRAMES + [11],
        left=0.17,
        right=0.99,
        wspace=0.12,
        bottom=0.02,
        top=0.93,
    )
    for position, (row, run) in enumerate(zip(rows, fields, strict=True)):
        axes = [figure.add_subplot(grid[position, column]) for column in range(FRAMES + 1)]
        _draw_frames(axes[:FRAMES], run, str(family[row]).replace("_", " "), has_title=position == 0)
        _draw_tokens(axes[FRAMES], tokens[position], sizes, has_title=position == 0)
    figure.savefig(picture, dpi=130)


def _draw_frames(axes: list[Axes], run: NDArray[np.float32], name: str, *, has_title: bool) -> None:
    """Draw evenly spaced frames of a run [T, H, W] in the colors of their difference from the mean."""
    limit = np.abs(run - run.mean()).max() or 1.0
    times = np.linspace(0, len(run) - 1, FRAMES).round().astype(int)
    for axis, time in zip(axes, times, strict=True):
        axis.imshow(run[time] - run.mean(), cmap="RdBu_r", vmin=-limit, vmax=limit)
        axis.set_axis_off()
        if has_title:
            axis.set_title(f"t = {time}", fontsize=8, color=LIGHT, pad=4)
    axes[0].text(-0.25, 0.5, name, transform=axes[0].transAxes, ha="right", va="center", fontsize=8.5, color=DARK)


def _draw_tokens(axes: Axes, tokens: NDArray[np.int64], sizes: NDArray[np.int64], *, has_title: bool) -> None:
    """Draw tokens [3C] with a column for each category and a row for each level; the color is token / (K - 1)."""
    fractions = (tokens / np.maximum(sizes - 1, 1)).reshape(-1, 3).T
    axes.imshow(fractions, cmap="viridis", aspect="auto", vmin=0, vmax=1)
    by_level = tokens.reshape(-1, 3).T
    for (level, category), token in np.ndenumerate(by_level):
        color = "white" if fractions[level, category] < 0.6 else "black"
        axes.text(category, level, str(token), ha="center", va="center", fontsize=5.5, color=color)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if has_title:
        axes.set_title(f"tokens: {by_level.shape[1]} categories, coarse to fine", fontsize=8, color=LIGHT, pad=4)


def main() -> None:
    """Generate a few operators with their fields, encode them, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vqvae-model", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "operators.png")
    arguments = parser.parse_args()
    mpl.use("Agg")
    tokenizer = sl.Tokenizer.load(arguments.vqvae_model)
    with tempfile.TemporaryDirectory() as folder:
        dataset = sl.generate(CONFIG, Path(folder) / "dataset.h5", num_samples=OPERATORS, store_trajectories=True)
        draw(dataset.output, tokenizer, arguments.output)
    print(arguments.output)


if __name__ == "__main__":
    main()
