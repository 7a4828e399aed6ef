"""What one optimiser step is, for local and joint assignment: the losses of some rows, and what follows the descent.

Its rows are training rows and points between them. Local: the whole network learns by its objective; after the descent
the codebooks follow their moving average, and dead codes are replaced. Joint: tokens and vectors stay as they were
fitted, and the refinement of their sums learns to reconstruct; for some rows it sees coarse levels only.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import torch
from torch import Tensor

from spinlock.config import VQVAEConfig
from spinlock.model import LEVELS, CategoricalVQVAE
from spinlock.model.dead_codes import reset_dead_codes
from spinlock.model.inference import encode_rows
from spinlock.training.neighbors import interpolated
from spinlock.training.objective import LossTerms, objective
from spinlock.training.schedule import PARTIAL_SHARE, PREFIX_SHARE, StepDraws


class Step(Protocol):
    """One optimiser step, but for the descent itself."""

    def losses(self, chosen: Tensor, draws: StepDraws) -> LossTerms:
        """Losses of the training rows at positions [B]."""

    def settle(self, draws: StepDraws, resets_due: bool) -> Tensor:
        """What follows the descent; returns how many codes were replaced, a scalar tensor."""


def step_of(model: CategoricalVQVAE, rows: Tensor, config: VQVAEConfig, *, compiled: bool) -> Step:
    """The step that belongs to a model, on training rows [n, D]."""
    return LocalStep(model, rows, config, compiled) if model.joint is None else JointStep(model, rows, config)


class LocalStep:
    """Quantise with the old codes, descend, then move codes, then replace dead ones."""

    def __init__(self, model: CategoricalVQVAE, rows: Tensor, config: VQVAEConfig, compiled: bool) -> None:
        self.model = model
        self.rows = interpolated(rows, config.random_seed)
        self.config = config
        self.levels: Any = None
        self.forward = torch.compile(self._forward, dynamic=False) if compiled else self._forward

    def losses(self, chosen: Tensor, draws: StepDraws) -> LossTerms:
        """The objective of the network, on these rows or points between them and their neighbours."""
        terms: LossTerms
        terms, self.levels = self.forward(self.rows[_version(self.rows, draws), chosen], draws)
        return terms

    def settle(self, draws: StepDraws, resets_due: bool) -> Tensor:
        """Moving averages, then resets."""
        config = self.config
        replaced = torch.zeros((), dtype=torch.int64, device=self.rows.device)
        for index, (level, result) in enumerate(zip(self.model.quantizer_levels(), self.levels, strict=True)):
            if config.use_ema:
                level.update(result, config.ema_decay)
            else:
                level.track_usage(result, config.ema_decay)
            if resets_due:
                replaced = replaced + reset_dead_codes(
                    level,
                    result,
                    percentile=config.dead_code_threshold,
                    max_fraction=config.dead_code_max_reset_fraction,
                    cool_down=round(1 / max(1e-6, 1 - config.ema_decay)),
                    noise=draws.reset_noise[index % LEVELS, : len(level.mask)],
                )
        return replaced

    def _forward(self, rows: Tensor, draws: StepDraws) -> tuple[LossTerms, Any]:
        prefix, partial = int(PREFIX_SHARE * len(rows)), math.ceil(PARTIAL_SHARE * len(rows))
        result = self.model(rows, prefix_rows=prefix, partial_rows=partial)
        return objective(self.model, rows, result, draws.projection, self.config), result.levels


class JointStep:
    """Learn the refinement x^ = y + W2 gelu(y W1 + b1) on tokens that do not change."""

    def __init__(self, model: CategoricalVQVAE, rows: Tensor, config: VQVAEConfig) -> None:
        assert model.joint is not None, "the model assigns jointly"
        self.codes = model.joint
        self.weight = config.reconstruction_weight
        self.rows = interpolated(rows, config.random_seed)
        tokens = encode_rows(model, self.rows.flatten(0, 1)).indices
        self.tokens = tokens.view(*self.rows.shape[:2], *tokens.shape[1:])

    def losses(self, chosen: Tensor, draws: StepDraws) -> LossTerms:
        """The reconstruction error; the other terms belong to the network, which does not change."""
        version = _version(self.rows, draws)
        rows, tokens = self.rows[version, chosen], self.tokens[version, chosen]
        prefix = int(PREFIX_SHARE * len(rows))
        parts = [tokens[:prefix, :, :1], tokens[prefix : 2 * prefix, :, :2], tokens[2 * prefix :]]
        sums = torch.cat([self.codes.sums(part) for part in parts if len(part)])
        error = (rows - self.codes.refine(sums)).square().mean()
        none = torch.zeros((), device=rows.device)
        return LossTerms(self.weight * error, error, none, none, none, none, none)

    def settle(self, draws: StepDraws, resets_due: bool) -> Tensor:
        """Nothing follows: no codebook moves."""
        return torch.zeros((), dtype=torch.int64, device=self.rows.device)


def _version(rows: Tensor, draws: StepDraws) -> Tensor:
    """Which of the versions of rows [V, n, D] each row of a step takes, [B]."""
    return (draws.version * len(rows)).long()
