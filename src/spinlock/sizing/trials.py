"""Try codebook sizes out: fit codes on one part of the training rows, and see what they do on the other part."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spinlock.initialization.closed_form import (
    RIDGE_GRID,
    Basis,
    FittedBucket,
    fit_bases,
    fit_buckets,
    fit_decoders,
    local_decoder,
    quantize,
)
from spinlock.initialization.joint_codes import assign, fit_joint
from spinlock.initialization.neighbor_interpolation import interpolate_neighbors
from spinlock.initialization.network import closed_form_start
from spinlock.model import CategoricalVQVAE
from spinlock.model.codec.inference import encode_local_rows
from spinlock.model.spec import Groups, ModelSpec
from spinlock.preprocessing.holdout import Holdout
from spinlock.sizing.bit_allocation import Triple, total_bits

FIT_ROWS = 4096
HELD_OUT_ROWS = 2048
ITERATIONS = 8
JOINT_ROUNDS = 2
JOINT_VERSIONS = 3
JOINT_RIDGE = RIDGE_GRID[1]


@dataclass(frozen=True)
class Sizes:
    """Sizes [C][3], the decoder's ridge in units of n, and what to expect of them on held-out rows.

    ``automatic`` is False where all sizes were given.
    """

    num_codes: tuple[Triple, ...]
    latent_dims: tuple[Triple, ...]
    ridge: float
    quality: float
    utilization: float
    automatic: bool = True

    @property
    def bits(self) -> float:
        """Sum of log2 K."""
        return total_bits(self.num_codes)


class Trials:
    """Fits on an inner split of training rows [n, D]; rows beyond a few thousand are left out of it.

    ``validation_rows`` says how many rows the utilization will be measured on.
    """

    def __init__(self, rows: Tensor, holdout: Holdout, *, validation_rows: int, seed: int) -> None:
        rng = np.random.default_rng([seed, 2])
        self.fit_rows = rows[torch.from_numpy(_at_most(holdout.fit, FIT_ROWS, rng))]
        self.held_out = rows[torch.from_numpy(_at_most(holdout.held_out, HELD_OUT_ROWS, rng))]
        self.validation_rows = validation_rows
        self.seed = seed
        self.device = rows.device
        self._bases: dict[Groups, list[Basis]] = {}

    @cached_property
    def points(self) -> Tensor:
        """What joint codes are fitted on: the rows and points between them."""
        return interpolate_neighbors(self.fit_rows, self.seed, most=JOINT_VERSIONS).flatten(0, 1)

    def __call__(self, spec: ModelSpec) -> Sizes:
        """Codes of the given sizes, in closed form."""
        return self._joint(spec) if spec.assignment == "joint" else self._local(spec)

    def _local(self, spec: ModelSpec) -> Sizes:
        generator = torch.Generator().manual_seed(self.seed)
        if spec.groups not in self._bases:
            self._bases[spec.groups] = fit_bases(self.fit_rows, spec)
        bases = self._bases[spec.groups]
        blocks = fit_buckets(self.fit_rows, spec, bases, generator=generator, iterations=ITERATIONS)
        fitted, held_out = quantize(blocks, self.fit_rows), quantize(blocks, self.held_out)
        decoders = fit_decoders(fitted, self.fit_rows, local_decoder(blocks, spec.num_columns), RIDGE_GRID)
        qualities = [self._quality(held_out @ decoder) for decoder in decoders]
        best = int(np.argmax(qualities))
        use = self._expected_use(blocks)
        return Sizes(spec.num_codes, spec.latent_dims, RIDGE_GRID[best], qualities[best], use)

    def _joint(self, spec: ModelSpec) -> Sizes:
        model, rows = CategoricalVQVAE(spec).to(self.fit_rows.device), self.points
        closed_form_start(
            model, rows, ridge=JOINT_RIDGE, rows_per_batch=len(rows), seed=self.seed, iterations=ITERATIONS
        )
        tokens = fit_joint(model, rows, JOINT_ROUNDS).flatten(1)
        assert model.joint is not None, "the specification is a joint one"
        chosen = assign(model.joint, self.held_out, encode_local_rows(model, self.held_out))
        quality = self._quality(model.joint.sums(chosen))
        sizes = [size for sizes in spec.num_codes for size in sizes]
        counts = [torch.bincount(column, minlength=size) for column, size in zip(tokens.t(), sizes, strict=True)]
        use = float(np.mean([float(self._seen(one_hot / len(rows)).mean()) for one_hot in counts]))
        return Sizes(spec.num_codes, spec.latent_dims, JOINT_RIDGE, quality, use)

    def _quality(self, restored: Tensor) -> float:
        power = self.held_out.square().sum().clamp(min=1e-12)
        return float(1 - (self.held_out - restored).square().sum() / power)

    def _seen(self, probability: Tensor) -> Tensor:
        """1 - (1 - p)^n: how likely a code of probability p appears in n validation rows."""
        return 1 - (1 - probability) ** self.validation_rows

    def _expected_use(self, blocks: list[FittedBucket]) -> float:
        """Mean over codebooks of the mean over codes of the chance to be seen, p from the rows fitted on."""
        shares = []
        for level in (level for block in blocks for level in block.levels):
            seen = self._seen(level.counts / level.counts.sum(-1, keepdim=True)) * level.mask
            shares.append(seen.sum(-1) / level.mask.sum(-1))
        return float(torch.cat(shares).mean())


def _at_most(positions: NDArray[np.int64], limit: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return positions if len(positions) <= limit else np.sort(rng.permutation(positions)[:limit])
