"""Turn a CSV file of features into tokens, and tokens back into features.

Each row of the file is an object, and each column is a feature. The tokenizer groups the columns into categories and
describes each row by three tokens per category. If no file is given, the script uses a random table of 600 rows and 40
columns. The columns depend on eight latent variables. Like a real table, it has a constant column and missing cells.

    python examples/csv_to_tokens.py
    python examples/csv_to_tokens.py my_features.csv --epochs 100 --output my_tokens
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

import spinlock as sl


def example_table(rows: int = 600, columns: int = 40) -> pd.DataFrame:
    """Return a table whose columns depend on eight latent variables."""
    random = np.random.default_rng(0)
    latent = random.standard_normal((rows, 8))
    values = np.tanh(latent[:, np.arange(columns) % 8]) + 0.2 * random.standard_normal((rows, columns))
    values[random.random(values.shape) < 0.01] = np.nan
    values[:, -1] = 1.0
    return pd.DataFrame(values, columns=[f"feature_{j:02d}" for j in range(columns)])


def main() -> None:
    """Fit a tokenizer, encode, decode, and write model.pt, tokens.csv and restored.csv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path, nargs="?", help="CSV file of numbers with a header")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--output", type=Path, default=Path("csv_to_tokens"), help="directory of the results")
    arguments = parser.parse_args()

    features = example_table() if arguments.csv is None else pd.read_csv(arguments.csv)
    tokenizer = sl.Tokenizer.fit(features, epochs=arguments.epochs)
    tokens = tokenizer.encode(features)  # [N, 3C] integers
    restored = tokenizer.decode(tokens)  # [N, D] in the units of the file

    arguments.output.mkdir(parents=True, exist_ok=True)
    names = [f"{name}.L{level}" for name in tokenizer.categories for level in range(3)]
    pd.DataFrame(tokens, columns=names).to_csv(arguments.output / "tokens.csv", index=False)
    pd.DataFrame(restored, columns=tokenizer.feature_names).to_csv(arguments.output / "restored.csv", index=False)
    tokenizer.save(arguments.output / "model.pt")  # sl.Tokenizer.load(...) reads it
    print(f"{len(features)} rows of {features.shape[1]} columns -> {tokens.shape[1]} tokens per row")
    for target in sl.evaluate(tokenizer, features, sections=()).targets:
        print(f"  {target.metric:<28} {'undefined' if target.value is None else f'{target.value:.3f}'}")
    print(f"written to {arguments.output}: model.pt, tokens.csv, restored.csv")


if __name__ == "__main__":
    main()
