"""The picture of README: operators of every family, four frames of a run each, and the tokens that describe them.

scripts/demo
poetry run python benchmarks/picture.py --vqvae-model checkpoints/vqvae/quickstart/best_model.pt
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "configs" / "datasets" / "quickstart.yaml"
FRAMES = 4
OPERATORS = 48
"""Enough for one of each kind, whatever their order."""

INK, PALE = "#222222", "#777777"


def spinlock(*arguments: str | Path) -> None:
    """Run a command of the program."""
    subprocess.run([sys.executable, "-m", "spinlock", *map(str, arguments)], check=True)


def draw(dataset: Path, tokens: Path, picture: Path) -> None:
    """A row for each family: its frames, then one cell for each token, a block of three levels for each category."""
    with h5py.File(dataset) as file, h5py.File(tokens) as coded:
        family = file["labels/family"].asstr()[()]
        rows = [int(np.flatnonzero(family == name)[0]) for name in dict.fromkeys(family.tolist())]
        fields = [file["outputs/fields"][row, 0, :, 0] for row in rows]
        indices, sizes = coded["tokens/indices"][()][rows], coded["tokens/codebook_size"][()]
        names = [family[row].replace("_", " ") for row in rows]
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
    times = np.linspace(0, fields[0].shape[0] - 1, FRAMES).round().astype(int)
    for row, (name, runs) in enumerate(zip(names, fields, strict=True)):
        limit = np.abs(runs - runs.mean()).max() or 1.0
        for column, time in enumerate(times):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(runs[time] - runs.mean(), cmap="RdBu_r", vmin=-limit, vmax=limit)
            axes.set_axis_off()
            if row == 0:
                axes.set_title(f"t = {time}", fontsize=8, color=PALE, pad=4)
            if column == 0:
                axes.text(-0.25, 0.5, name, transform=axes.transAxes, ha="right", va="center", fontsize=8.5, color=INK)
        _cells(figure.add_subplot(grid[row, FRAMES]), indices[row], sizes, heading=row == 0)
    figure.savefig(picture, dpi=130)


def _cells(axes: Axes, indices: NDArray[np.int64], sizes: NDArray[np.int64], *, heading: bool) -> None:
    """Columns are categories, rows the three levels; the color is the index over its codebook's size."""
    shares = (indices / np.maximum(sizes - 1, 1)).reshape(-1, 3).T
    axes.imshow(shares, cmap="viridis", aspect="auto", vmin=0, vmax=1)
    numbers = indices.reshape(-1, 3).T
    for (level, category), number in np.ndenumerate(numbers):
        shade = "white" if shares[level, category] < 0.6 else "black"
        axes.text(category, level, str(number), ha="center", va="center", fontsize=5.5, color=shade)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if heading:
        axes.set_title(f"tokens: {numbers.shape[1]} categories, coarse to fine", fontsize=8, color=PALE, pad=4)


def main() -> None:
    """Generate a few operators with their fields, encode them, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vqvae-model", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "operators.png")
    arguments = parser.parse_args()
    mpl.use("Agg")
    with tempfile.TemporaryDirectory() as folder:
        dataset, tokens = Path(folder, "few.h5"), Path(folder, "tokens.h5")
        few = ("--num-samples", str(OPERATORS), "--set", "store_trajectories=true")
        spinlock("generate", "--config", CONFIG, "--output", dataset, *few)
        spinlock("encode-to-tokens", "--dataset", dataset, "--vqvae-model", arguments.vqvae_model, "--output", tokens)
        draw(dataset, tokens, arguments.output)
    print(arguments.output)


if __name__ == "__main__":
    main()
