"""Turn rollouts of your own simulator into features, and features into tokens.

The simulator in this script is a coupled map lattice in ten lines of NumPy; replace it by your own program. The frames
are written in the layout [operators, realizations, frames, channels, height, width]. `sl.extract_features` computes the
features of each operator, and a tokenizer is trained on them. With `--rollouts` the script reads a file in this layout
instead of running the simulator.

    python examples/rollouts_to_tokens.py
    python examples/rollouts_to_tokens.py --rollouts my_rollouts.h5 --epochs 200 --output my_tokens
"""

import argparse
from pathlib import Path

import h5py
import numpy as np

import spinlock as sl


def simulate(operators: int, frames: int = 24, grid: int = 16) -> np.ndarray:
    """Roll out coupled map lattices with random a and e.

    The map is u' = (1 - e) f(u) + e <f(u)> with f(u) = 1 - a u^2, where <f(u)> is the mean over the four neighbors.
    """
    random = np.random.default_rng(0)
    a = random.uniform(1.0, 1.9, (operators, 1, 1, 1, 1))
    e = random.uniform(0.05, 0.6, (operators, 1, 1, 1, 1))
    u = random.uniform(-1, 1, (operators, 2, 1, grid, grid))  # two realizations of one channel
    states = []
    for _ in range(frames):
        states.append(u)
        f = 1 - a * u**2
        neighbors = sum(np.roll(f, shift, axis) for shift in (1, -1) for axis in (-1, -2)) / 4
        u = (1 - e) * f + e * neighbors
    return np.stack(states, axis=2).astype("float32")


def main() -> None:
    """Write rollouts.h5, features.h5, model.pt and tokens.h5."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rollouts", type=Path, help="HDF5 file with /outputs/fields [N, M, T, C, H, W]")
    parser.add_argument("--operators", type=int, default=300, help="operators to simulate")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--output", type=Path, default=Path("rollouts_to_tokens"), help="directory of the results")
    arguments = parser.parse_args()
    output, rollouts = arguments.output, arguments.rollouts
    output.mkdir(parents=True, exist_ok=True)
    if rollouts is None:
        rollouts = output / "rollouts.h5"
        with h5py.File(rollouts, "w") as file:
            file["outputs/fields"] = simulate(arguments.operators)

    sl.extract_features(rollouts, output / "features.h5", overwrite=True)
    table = sl.read_features(output / "features.h5")
    tokenizer = sl.Tokenizer.fit(table, epochs=arguments.epochs)
    tokenizer.save(output / "model.pt")
    tokenizer.encode_file(output / "features.h5", output / "tokens.h5", overwrite=True)
    quality = sl.evaluate(tokenizer, table, sections=()).metrics["reconstruction_quality"]
    print(f"{table.num_operators} operators, {len(table.names)} features, {3 * len(tokenizer.categories)} tokens each")
    print(f"the tokens explain {quality:.0%} of the variance of the features on validation rows")
    print(f"written to {output}: features.h5, model.pt, tokens.h5")


if __name__ == "__main__":
    main()
