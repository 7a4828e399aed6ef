"""Correlation matrices for the tests of the categories."""

import numpy as np

from tests.tables import low_rank_table


def planted_rows(rng: np.random.Generator, sizes: tuple[int, ...], rows: int = 600, noise: float = 0.3) -> np.ndarray:
    """Rows [n, D] of blocks. The columns of a block are one latent, up to sign and noise."""
    blocks = []
    for size in sizes:
        latent = rng.standard_normal((rows, 1))
        blocks.append(latent * rng.choice([-1.0, 1.0], size) + noise * rng.standard_normal((rows, size)))
    return np.concatenate(blocks, axis=1)


def planted_labels(sizes: tuple[int, ...]) -> np.ndarray:
    """The block of each column, [D]."""
    return np.repeat(np.arange(len(sizes)), sizes)


def correlated_table(rng: np.random.Generator, columns: int = 24, rank: int = 5, noise: float = 0.6) -> np.ndarray:
    """A correlation matrix [D, D] of correlated columns. Orthogonal centroids need moves of columns."""
    return np.corrcoef(low_rank_table(rng, 500, columns, rank, noise).astype(np.float64).T)


def assert_valid_labels(labels: np.ndarray, columns: int, minimum: int = 3) -> None:
    """Every column is in one category, numbers have no gap, and no category is too small."""
    assert labels.shape == (columns,)
    sizes = np.bincount(labels)
    assert sizes.min() >= min(minimum, columns)
    assert sizes.sum() == columns
