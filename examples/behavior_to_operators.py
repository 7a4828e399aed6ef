"""From a wanted behavior to operators that show it.

The script rolls out operators that the tokenizer and ANO have never seen. Their features are the wanted behavior. The
features are encoded, ANO predicts an operator from the tokens, and the predicted operators are rolled out from the same
initial states. A picture shows wanted and obtained frames side by side.

    python examples/behavior_to_operators.py --vqvae-model checkpoints/vqvae/quickstart/best_model.pt \\
        --ano-model checkpoints/ano/quickstart/best_model.pt --config configs/datasets/quickstart.yaml
"""

import argparse
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np

import spinlock as sl

MIN_RANGE = 0.2
"""Minimum range of the colors, so that uniform states look uniform."""


def last_frames(path: Path) -> np.ndarray:
    """Return the first channel of the last stored frame of each operator, [operators, height, width]."""
    with h5py.File(path) as file:
        return file["snapshots/fields"][:, -1, 0]


def texts(path: Path, name: str) -> list[str]:
    """Return a dataset of texts."""
    with h5py.File(path) as file:
        return file[name].asstr()[()].tolist()


def draw(wanted: Path, obtained: Path, rows: list[int], output: Path) -> None:
    """Draw wanted frames above obtained ones; both frames of a pair have one color scale."""
    pairs = list(zip(last_frames(wanted)[rows], last_frames(obtained)[rows], strict=True))
    families = [texts(path, "labels/family") for path in (wanted, obtained)]
    figure, axes = plt.subplots(2, len(rows), figsize=(1.7 * len(rows), 4.2), layout="constrained", squeeze=False)
    for column, (row, pair) in enumerate(zip(rows, pairs, strict=True)):
        low, high = np.nanquantile(pair, (0.01, 0.99))
        high = max(high, low + MIN_RANGE)
        for axis, frame, family in zip(axes[:, column], pair, families, strict=True):
            axis.imshow(frame, vmin=low, vmax=high, cmap="viridis", interpolation="nearest")
            axis.set_title(family[row].replace("_", "\n"), fontsize=8)
            axis.set_xticks([])
            axis.set_yticks([])
    axes[0, 0].set_ylabel("wanted")
    axes[1, 0].set_ylabel("obtained from tokens")
    figure.savefig(output, dpi=120)


def main() -> None:
    """Write wanted.h5, tokens.h5, predictions.h5, obtained.h5 and frames.png."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vqvae-model", type=Path, required=True, help="tokenizer")
    parser.add_argument("--ano-model", type=Path, required=True, help="ANO of this tokenizer")
    parser.add_argument("--config", type=Path, required=True, help="configuration of the dataset of both models")
    parser.add_argument("--operators", type=int, default=36, help="operators to roll out")
    parser.add_argument("--seed", type=int, default=7, help="seed of the wanted operators; not that of the dataset")
    parser.add_argument("--columns", type=int, default=9, help="operators in the picture, of different families")
    parser.add_argument("--output", type=Path, default=Path("behavior_to_operators"), help="directory of the results")
    arguments = parser.parse_args()
    output = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    wanted, tokens, predictions, obtained = (
        output / f"{name}.h5" for name in ("wanted", "tokens", "predictions", "obtained")
    )
    count = arguments.operators
    keys = {"num_samples": count, "save_fields": count, "random_seed": arguments.seed}

    sl.generate(arguments.config, wanted, overwrite=True, **keys)
    sl.Tokenizer.load(arguments.vqvae_model).encode_file(wanted, tokens, overwrite=True)
    summary = sl.ANO.load(arguments.ano_model).predict_file(tokens, predictions, overwrite=True)
    sl.generate(arguments.config, obtained, overwrite=True, from_predictions=predictions, **keys)

    families = np.array(texts(wanted, "labels/family"))
    pde = [int(np.flatnonzero(families == name)[0]) for name in np.unique(families) if name != "neural"]
    draw(wanted, obtained, pde[: arguments.columns], output / "frames.png")
    print(f"{summary.accuracy:.0%} of {count} families are predicted correctly")
    print(f"written to {output}: wanted.h5, tokens.h5, predictions.h5, obtained.h5, frames.png")


if __name__ == "__main__":
    main()
