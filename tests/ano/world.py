"""A world of operators whose posterior is known.

There are two families. Each has two parameters with independent standard normal z. The tokens are two of four codes for
each family, and for each parameter the quantile bin of y = z + s e with standard normal e. The posterior of z given the
bin follows by integration.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from spinlock.io.token_decoder import TokenDecoder
from spinlock.io.token_layout import TokenColumns
from spinlock.io.token_writer import TokenWriter

NOISE = 0.5
BINS = 24
SHA256 = "a" * 64


def _posterior() -> tuple[float, float]:
    """Root mean square deviation of z, and bits of information about it, given the bin of y; by integration over z."""
    z = np.linspace(-6, 6, 2001)
    prior = np.exp(-(z**2) / 2) / np.exp(-(z**2) / 2).sum()
    edges = np.sqrt(1 + NOISE**2) * ndtri(np.arange(BINS + 1) / BINS)
    likelihood = np.diff(ndtr((edges[:, None] - z) / NOISE), axis=0)  # P(bin | z), [bins, points]
    posterior = likelihood * prior * BINS
    means = posterior @ z
    variance = float(np.mean(posterior @ z**2 - means**2))
    information = float((prior * likelihood * np.log2(likelihood * BINS + 1e-300)).sum())
    return variance**0.5, information


POSTERIOR_DEVIATION, INFORMATION = _posterior()

COLUMNS = TokenColumns.from_codebook_sizes({"kind": (4, 2, 2), "first": (BINS, 2, 2), "second": (BINS, 2, 2)})
NAMES = ("alpha.shift", "alpha.rate", "beta.mass", "beta.kind", "initial.amplitude")
FAMILIES = ("alpha", "beta")


@dataclass(frozen=True)
class World:
    """The arrays of a token file: z [N, 2], family [N], tokens [N, 9], coordinates and values [N, 5]."""

    real: NDArray[np.float64]
    family: NDArray[np.int64]
    tokens: NDArray[np.int64]
    unit: NDArray[np.float64]
    physical: NDArray[np.float64]

    def __getitem__(self, rows: NDArray[np.int64]) -> "World":
        return World(*(getattr(self, field.name)[rows] for field in fields(self)))


def joined(*worlds: World) -> World:
    """The operators of several worlds."""
    return World(*(np.concatenate([getattr(world, field.name) for world in worlds]) for field in fields(World)))


def make_world(operators: int, seed: int = 0) -> World:
    rng = np.random.default_rng(seed)
    family = np.arange(operators) % 2
    real = rng.standard_normal((operators, 2))
    observed = ndtr((real + NOISE * rng.standard_normal(real.shape)) / np.sqrt(1 + NOISE**2))
    tokens = rng.integers(0, 2, (operators, len(COLUMNS)))
    tokens[:, 0] = 2 * family + rng.integers(0, 2, operators)
    tokens[:, [3, 6]] = np.minimum((observed * BINS).astype(int), BINS - 1)
    unit, physical = np.full((operators, 5), np.nan), np.full((operators, 5), np.nan)
    u = ndtr(real)
    alpha, beta = family == 0, family == 1
    unit[alpha, :2], unit[beta, 2] = u[alpha], u[beta, 0]
    physical[alpha, 0], physical[alpha, 1] = -1 + 3 * u[alpha, 0], 0.1 * 100 ** u[alpha, 1]
    physical[beta, 2] = 5 - 2 * u[beta, 0]
    cell = np.minimum((u[beta, 1] * 3).astype(int), 2)
    unit[beta, 3], physical[beta, 3] = (cell + 0.5) / 3, np.array([2.0, 4.0, 8.0])[cell]
    unit[:, 4] = physical[:, 4] = rng.random(operators)
    return World(real, family, tokens, unit, physical)


def world_decoder() -> TokenDecoder:
    """The decoder of the tokens: two axes for the bins, one for the families, and three for codes without meaning.

    A part of the values of the bins is in the hidden units, and no axis has mean 0.
    """
    scores = ndtri((np.arange(BINS) + 0.5) / BINS)
    rng, first, meaningless = np.random.default_rng(0), 0, []
    positions = np.zeros((sum(COLUMNS.codebook_size), 6))
    for column, size in enumerate(COLUMNS.codebook_size):
        codes = np.arange(first, first + size)
        first += size
        if column == 0:
            positions[codes, 2] = [1, 1, -1, -1]
        elif column in (3, 6):
            positions[codes, (column - 3) // 3] = scores
        else:
            meaningless.extend(codes)
    positions[meaningless, 3:] = 0.3 * rng.standard_normal((len(meaningless), 3))
    positions[:, :3] += 1.0
    hidden = np.zeros((len(positions), 4))
    for column in (3, 6):
        codes = slice(sum(COLUMNS.codebook_size[:column]), sum(COLUMNS.codebook_size[: column + 1]))
        axis = (column - 3) // 3
        hidden[codes, 2 * axis], hidden[codes, 2 * axis + 1] = scores, -scores
        positions[codes, axis] -= 0.5 * scores  # gelu(s) - gelu(-s) = s
    output = np.zeros((4, 6))
    output[[0, 1, 2, 3], [0, 0, 1, 1]] = [0.5, -0.5, 0.5, -0.5]
    return TokenDecoder(positions, hidden, np.zeros(4), output)


def write_world(
    path: Path, world: World, *, validation: int = 0, sha256: str = SHA256, decoder: bool = True, **labels: Any
) -> Path:
    """Write a token file. The last ``validation`` operators are validation operators of the tokenizer."""
    count = len(world.family)
    quality = np.zeros(count, dtype=np.float32)
    stored = world_decoder() if decoder else None
    with TokenWriter(path, COLUMNS, (count,), decoder=stored, attributes={"model_sha256": sha256}) as writer:
        writer.write(
            world.tokens,
            reconstruction_error=quality,
            error_percentile=quality,
            clipped_share=quality,
            imputed_share=quality,
        )
        writer.write_split(np.where(np.arange(count) < count - validation, 1, 2).astype(np.int8))
    with h5py.File(path, "r+") as file:
        text = h5py.string_dtype()
        file["parameters/params"], file["parameters/physical"] = world.unit, world.physical
        file["parameters/names"] = np.array(NAMES, dtype=text)
        file["labels/family"] = np.array([FAMILIES[index] for index in world.family.tolist()], dtype=text)
        for name, values in labels.items():
            file[f"labels/{name}"] = values
    return path


SMALL = {
    "embedding_dim": 6,
    "hidden_dim": 16,
    "num_blocks": 1,
    "mixture_components": 2,
    "members": 2,
    "epochs": 6,
    "batch_size": 32,
    "learning_rate": 0.01,
    "save_every": 1,
}
"""Keys of a small and fast configuration."""
