"""The training steps that ``speed.py`` compares, on a synthetic table.

The table has Gaussian rows of rank 14 with noise and 360 columns in 10 categories. There are three levels of 48 codes
and embeddings of at most 126, as in the production configuration.

Letters: ``n``, ``B`` rows, ``D`` columns, ``C`` categories, ``E`` embedding width.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from vector_quantize_pytorch import ResidualVQ

from spinlock.checkpoint.history import History
from spinlock.checkpoint.progress import Progress
from spinlock.checkpoint.provenance import Provenance
from spinlock.config import config_from_mapping
from spinlock.initialization.network import initialize_closed_form
from spinlock.io.feature_table import FeatureTable
from spinlock.model import ModelSpec, build_network
from spinlock.model.spec import latent_dims
from spinlock.preprocessing.split import Split
from spinlock.preprocessing.training_data import TrainingData
from spinlock.runtime.compilation import CompilePlan
from spinlock.training.losses.topographic import topographic_loss
from spinlock.training.optimization.optimizer import make_optimizer
from spinlock.training.optimization.weight_average import averaged_copy
from spinlock.training.plan import Plan
from spinlock.training.run import Run, TrainingState
from spinlock.training.trainer import Trainer

COLUMNS, CATEGORIES, CODES, EMBEDDING, HIDDEN, DECODER, RANK = 360, 10, 48, 126, 128, 256, 14
BATCH = 1024
TOPO_WEIGHT, COMMITMENT = 0.45, 0.5
FIT_ROWS = 4096

Step = Callable[[Tensor], None]
"""A training step on a batch, which is given by the positions [B] of its rows."""


def make_rows(count: int, device: torch.device) -> Tensor:
    """Return rows [n, 360] of rank 14 and unit variance with 10 % noise, made in blocks to limit the memory."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(RANK, COLUMNS, generator=generator) / RANK**0.5
    rows = torch.empty(count, COLUMNS)
    for block in torch.split(rows, FIT_ROWS):
        torch.mm(torch.randn(len(block), RANK, generator=generator), mixing, out=block)
        block.add_(torch.randn(block.shape, generator=generator), alpha=0.1)
    return rows.to(device)


def make_spec() -> ModelSpec:
    """Return a network with ten categories of 36 columns."""
    width = COLUMNS // CATEGORIES
    groups = tuple(tuple(range(c * width, (c + 1) * width)) for c in range(CATEGORIES))
    dims = latent_dims(width, EMBEDDING, (0.5, 1.0, 1.5))
    names = tuple(f"category_{c}" for c in range(CATEGORIES))
    sizes = ((CODES,) * 3,) * CATEGORIES
    return ModelSpec(names, groups, EMBEDDING, HIDDEN, (dims,) * CATEGORIES, sizes, decoder_dim=DECODER)


class _NoCleaning:
    """Stands in for the cleaning, which a training step does not use."""

    def to_z_scores(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the values."""
        return values


def make_training_data(rows: Tensor) -> TrainingData:
    """Return training data with the rows and a single validation row; the table behind it is empty."""
    empty = np.empty((0, COLUMNS), dtype=np.float32)
    table = FeatureTable("rows.h5", "sdf", "aggregated", (), len(rows), 1, "", empty)
    positions = np.arange(len(rows))
    split = Split(positions, positions[:0], positions, positions[:0])
    cleaner = _NoCleaning()
    return TrainingData(table, split, cleaner, None, positions, positions[:0], rows, rows[:1])  # type: ignore[arg-type]


def spinlock_step(rows: Tensor, *, compiled: bool) -> Step:
    """Return a training step of Spinlock.

    The Python interface trains whole runs and selects categories and sizes. A single step of a given size is built from
    a plan that is made by hand.
    """
    config = config_from_mapping({"input_path": "rows.h5", "batch_size": BATCH}, where="benchmark")
    spec = make_spec()
    model = build_network(spec, seed=0).to(rows.device)
    initialize_closed_form(model, rows[:FIT_ROWS], ridge=0.01, rows_per_batch=BATCH, seed=0, iterations=5)
    optimizer = make_optimizer(model, config.learning_rate, rows[:FIT_ROWS])
    state = TrainingState(model, averaged_copy(model), optimizer, Progress(planned_steps=1_000_000), History(), {})
    compile_plan = CompilePlan(compiled, "benchmark")
    plan = Plan(config, {}, make_training_data(rows), spec, None, compile_plan)  # type: ignore[arg-type]
    trainer = Trainer(Run(plan, state, Provenance({}, "benchmark", "", {})))
    trainer.step = trainer._make_step()

    def step(batch: Tensor) -> None:
        trainer._optimize(batch)
        state.progress.step += 1

    return step


class LoopNetwork(nn.Module):
    """The same architecture as a loop over categories, with one encoder and one ``ResidualVQ`` for each of them."""

    def __init__(self, embedding: int) -> None:
        super().__init__()
        self.width = COLUMNS // CATEGORIES
        self.encoders = nn.ModuleList(
            nn.Sequential(nn.Linear(self.width, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, embedding))
            for _ in range(CATEGORIES)
        )
        self.quantizers = nn.ModuleList(
            ResidualVQ(dim=embedding, num_quantizers=3, codebook_size=CODES, decay=0.99, threshold_ema_dead_code=1)
            for _ in range(CATEGORIES)
        )
        self.decoder = nn.Sequential(nn.Linear(CATEGORIES * embedding, DECODER), nn.GELU(), nn.Linear(DECODER, COLUMNS))

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the reconstruction [B, D], the latents [C, B, E] and the mean commitment loss."""
        latents, losses = [], []
        for c, (encoder, quantizer) in enumerate(zip(self.encoders, self.quantizers, strict=True)):
            quantized, _, loss = quantizer(encoder(rows[:, c * self.width : (c + 1) * self.width]))
            latents.append(quantized)
            losses.append(loss.mean())
        return self.decoder(torch.cat(latents, 1)), torch.stack(latents), torch.stack(losses).mean()


def loop_step(rows: Tensor, *, embedding: int = EMBEDDING, pdist: bool = False) -> Step:
    """Return a training step of the loop over categories."""
    torch.manual_seed(0)
    model = LoopNetwork(embedding).to(rows.device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=7e-4, fused=True)

    def step(positions: Tensor) -> None:
        batch = rows[positions]
        optimizer.zero_grad(set_to_none=True)
        reconstruction, latents, commitment = model(batch)
        flat = latents.transpose(0, 1).flatten(1)
        topographic = pdist_loss(batch, flat) if pdist else topographic_loss(batch, flat)
        total = F.mse_loss(reconstruction, batch) + COMMITMENT * commitment + TOPO_WEIGHT * topographic
        torch.autograd.backward(total)
        optimizer.step()

    return step


def pdist_loss(rows: Tensor, latents: Tensor) -> Tensor:
    """Return 1 - r for all pairs of rows [B, D] and latents [B, E], with distances from ``torch.pdist``."""
    near, far = torch.pdist(rows), torch.pdist(latents)
    near, far = near - near.mean(), far - far.mean()
    return 1 - (near * far).sum() / (near.square().sum() * far.square().sum()).sqrt()


CONTENDERS: dict[str, Callable[..., Step]] = {
    "program": partial(spinlock_step, compiled=False),
    "compiled": partial(spinlock_step, compiled=True),
    "loop": loop_step,
    "narrow loop": partial(loop_step, embedding=make_spec().embedding_width(slice(0, CATEGORIES))),
    "loop with pdist": partial(loop_step, pdist=True),
}
"""Functions from the rows [n, D] to a step; see ``speed.py``."""
