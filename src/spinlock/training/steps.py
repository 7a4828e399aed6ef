"""What one optimizer step is, for local and joint assignment: the losses of some rows, and what follows the descent.

Its rows are training rows and points between them. Local: the whole network learns by its objective; after the descent
the codebooks follow their moving average, and dead codes are replaced. Joint: tokens and vectors stay as they were
fitted, and the refinement of their sums learns to reconstruct; for some rows it sees coarse levels only. With several
processes each has its share of the rows, and losses and codebooks are those of all of them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from spinlock.config import VQVAEConfig
from spinlock.model import LEVELS, CategoricalVQVAE
from spinlock.model.codec.inference import encode_rows
from spinlock.model.network.dead_codes import reset_dead_codes
from spinlock.model.network.quantizer import LevelResult
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.training.batches import Batches, InMemoryBatches
from spinlock.training.objective import LossTerms, objective
from spinlock.training.schedule import CATEGORY_DECODER_FRACTION, QUANTIZER_DROPOUT_FRACTION, StepDraws


class Step(Protocol):
    """One optimizer step, but for the descent itself."""

    def losses(self, batch: Tensor, draws: StepDraws) -> LossTerms:
        """Losses of a batch of the feed: of all its rows, whichever process has them."""

    def after_update(self, draws: StepDraws) -> Tensor:
        """What follows the descent; returns how many codes were replaced, a scalar tensor."""


def step_of(
    model: CategoricalVQVAE, batches: Batches, config: VQVAEConfig, *, compiled: bool, group: ProcessGroup = SINGLE
) -> Step:
    """The step that belongs to a model."""
    if model.joint is None:
        return LocalStep(model, batches, config, compiled, group)
    assert isinstance(batches, InMemoryBatches), "joint codes learn from rows in memory"
    return JointStep(model, batches, config, group)


class LocalStep:
    """Quantize with the old codes, descend, then move codes, then replace dead ones."""

    def __init__(
        self, model: CategoricalVQVAE, batches: Batches, config: VQVAEConfig, compiled: bool, group: ProcessGroup
    ) -> None:
        self.model = model
        self.batches = batches
        self.config = config
        self.group = group
        self.levels: Any = None
        self.forward = torch.compile(self._forward, dynamic=False) if compiled else self._forward

    def losses(self, batch: Tensor, draws: StepDraws) -> LossTerms:
        """The objective of the network."""
        terms: LossTerms
        terms, self.levels = self.forward(self.batches.rows(batch, draws), draws)
        return terms

    def after_update(self, draws: StepDraws) -> Tensor:
        """Moving averages, then the resets that noise was drawn for."""
        config, noise = self.config, draws.reset_noise
        replaced = torch.zeros((), dtype=torch.int64, device=draws.augmentation.device)
        assigned = [result.assigned() for result in self.levels]
        self.group.all_reduce_([part for each in assigned for part in (each.counts, each.sums)])
        for index, (level, result) in enumerate(zip(self.model.quantizer_levels(), self.levels, strict=True)):
            if config.use_ema:
                level.update(assigned[index], config.ema_decay)
            else:
                level.track_usage(assigned[index], config.ema_decay)
            if noise is not None:
                replaced = replaced + reset_dead_codes(
                    level,
                    self._of_all_rows(result, noise.shape[-1]),
                    percentile=config.dead_code_threshold,
                    max_fraction=config.dead_code_max_reset_fraction,
                    cool_down=round(1 / max(1e-6, 1 - config.ema_decay)),
                    noise=noise[index % LEVELS, : len(level.mask)],
                )
        return replaced

    def _of_all_rows(self, result: LevelResult, whole: int) -> LevelResult:
        """The latents and hits of all processes."""
        latents, one_hot = (
            self.group.all_gather(part.detach(), whole, dim=1) for part in (result.latents, result.one_hot)
        )
        return replace(result, latents=latents, one_hot=one_hot)

    def _forward(self, rows: Tensor, draws: StepDraws) -> tuple[LossTerms, Any]:
        model, config, group = self.model, self.config, self.group
        whole = len(draws.augmentation)
        partial = math.ceil(CATEGORY_DECODER_FRACTION * whole)
        result = model(rows, dropout_ends=dropout_ends(whole, group), category_rows=group.shard_size(partial))
        terms = objective(model, rows, result, draws.projection, config, whole=whole, partial=partial, group=group)
        return terms, result.levels


class JointStep:
    """Learn the refinement x^ = y + W2 gelu(y W1 + b1) on tokens that do not change."""

    def __init__(
        self, model: CategoricalVQVAE, batches: InMemoryBatches, config: VQVAEConfig, group: ProcessGroup
    ) -> None:
        assert model.joint is not None, "the model assigns jointly"
        self.codes = model.joint
        self.weight = config.reconstruction_weight
        self.batches = batches
        self.group = group
        rows = batches.augmented.flatten(0, 1)
        tokens = group.all_gather(encode_rows(model, group.shard(rows)).indices, len(rows))
        self.tokens = tokens.view(*batches.augmented.shape[:2], *tokens.shape[1:])

    def losses(self, batch: Tensor, draws: StepDraws) -> LossTerms:
        """The reconstruction error; the other terms belong to the network, which does not change."""
        whole = len(draws.augmentation)
        rows, tokens = self.batches.rows(batch, draws), self.tokens[self.batches.augmentation(draws), batch]
        one, two = dropout_ends(whole, self.group)
        parts = [tokens[:one, :, :1], tokens[one:two, :, :2], tokens[two:]]
        sums = torch.cat([self.codes.sums(part) for part in parts if len(part)])
        mean = (rows - self.codes.refine(sums)).square().mean()
        error = self.group.all_reduce_mean(mean, len(rows), whole)
        none = torch.zeros((), device=rows.device)
        return LossTerms(self.weight * error, error, none, none, none, none, none)

    def after_update(self, draws: StepDraws) -> Tensor:
        """Nothing follows: no codebook moves."""
        return torch.zeros((), dtype=torch.int64, device=self.tokens.device)


def dropout_ends(whole: int, group: ProcessGroup = SINGLE) -> tuple[int, int]:
    """Where, among this process's share of a batch, the rows end of which one level is seen, and two."""
    prefix = int(QUANTIZER_DROPOUT_FRACTION * whole)
    return group.shard_size(prefix), group.shard_size(2 * prefix)
