"""Rows with planted categories, and the sizes of a model for them."""

import numpy as np
import torch

from spinlock.model import ModelSpec

SIZES = (12, 7, 5)
GROUPS = (tuple(range(12)), tuple(range(12, 19)), tuple(range(19, 24)))


def planted_rows(count: int = 600, seed: int = 0, noise: float = 0.2) -> torch.Tensor:
    """Z-scored rows [count, 24]: each category of GROUPS has two own latents and depends weakly on a common one."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99)
    common, blocks = rng.standard_normal((count, 1)), []
    for size in SIZES:
        own = rng.standard_normal((count, 2)) @ mixing.standard_normal((2, size))
        blocks.append(own + 0.5 * common @ mixing.standard_normal((1, size)))
    table = np.concatenate(blocks, axis=1) + noise * rng.standard_normal((count, sum(SIZES)))
    return torch.from_numpy((table - table.mean(0)) / table.std(0)).float()


def planted_spec(embedding_dim: int = 8, num_codes: tuple[int, int, int] = (8, 6, 4)) -> ModelSpec:
    """Categories GROUPS with latent widths (4, 8, 8), narrower than the widest category."""
    return ModelSpec(("a", "b", "c"), GROUPS, embedding_dim, 12, ((4, 8, 8),) * 3, (num_codes,) * 3, decoder_dim=12)
