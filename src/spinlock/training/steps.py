"""Losses of a training step, and the updates after the gradient step, for local and for joint assignment.

Local assignment trains the whole network. After the gradient step, the moving averages of the codebooks are updated and
dead codes are reset. Joint assignment trains only the refinement of the sums of code vectors, with fixed tokens and
vectors. In both cases a fraction of the rows is decoded from the coarse levels only (quantizer dropout). With several
processes, each process has its shard of the batch, and losses and codebooks are those of the global batch.

Letters: ``b`` rows of a process's shard, ``D`` columns.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from spinlock.config import CodebookSettings, LossSettings
from spinlock.initialization.decoder_refit import refit_decoder
from spinlock.initialization.neighbor_interpolation import interpolate_neighbors
from spinlock.model import LEVELS, CategoricalVQVAE, JointVQVAE
from spinlock.model.codec import make_codec
from spinlock.model.network.dead_codes import reset_dead_codes
from spinlock.model.network.quantizer import LevelResult
from spinlock.runtime.compilation import use_private_cache
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.training.batches import Batches, InMemoryBatches
from spinlock.training.losses.objective import LossTerms, objective
from spinlock.training.optimization.schedule import CATEGORY_DECODER_FRACTION, QUANTIZER_DROPOUT_FRACTION, StepDraws
from spinlock.training.row_losses import RowLosses, RowSample


class TrainingStep(Protocol):
    """Interface of a training step without its gradient step."""

    def losses(self, batch: Tensor, draws: StepDraws) -> LossTerms:
        """Return the losses of the global batch. ``batch`` is the shard of this process."""

    def after_update(self, draws: StepDraws, decay: float) -> Tensor:
        """Update the codebooks after the gradient step. Return the number of codes that were reset, a scalar tensor.

        ``decay`` is the decay of the moving averages.
        """

    def row_losses(self, model: CategoricalVQVAE, sample: RowSample) -> RowLosses:
        """Return the losses of a sample of the training rows, without interpolation and quantizer dropout."""

    def finish(self, model: CategoricalVQVAE, rows: Tensor) -> None:
        """Fit what has a closed form to the tokens of training rows [n, D], after the last step."""

    def use_eager(self) -> bool:
        """Use the forward pass without compilation from now on. Return whether it was compiled before."""


class LocalStep:
    """Training step of local assignment, which trains the whole network.

    Parameters
    ----------
    model
        Network to train.
    batches
        Batches of the run.
    losses, codebooks
        Loss weights and codebook settings.
    compiled
        Whether the forward pass is compiled.
    group
        Processes that share each batch.
    """

    def __init__(
        self,
        model: CategoricalVQVAE,
        batches: Batches,
        *,
        losses: LossSettings,
        codebooks: CodebookSettings,
        compiled: bool,
        group: ProcessGroup = SINGLE,
    ) -> None:
        self.model = model
        self.batches = batches
        self.loss_settings = losses
        self.codebooks = codebooks
        self.group = group
        self.levels: Any = None
        self.compiled = compiled
        self.forward = self._forward
        if compiled:
            use_private_cache()
            self.forward = torch.compile(self._forward, dynamic=False)

    def losses(self, batch: Tensor, draws: StepDraws) -> LossTerms:
        """Return all losses of the network."""
        terms: LossTerms
        terms, self.levels = self.forward(self.batches.rows(batch, draws), draws)
        return terms

    def after_update(self, draws: StepDraws, decay: float) -> Tensor:
        """Update the moving averages, then reset dead codes if ``draws`` contains ``reset_noise``."""
        settings, noise = self.codebooks, draws.reset_noise
        num_reset = torch.zeros((), dtype=torch.int64, device=draws.augmentation.device)
        assigned = [result.code_statistics() for result in self.levels]
        self.group.all_reduce_([tensor for level in assigned for tensor in (level.counts, level.sums)])
        for index, (level, result) in enumerate(zip(self.model.quantizer_levels(), self.levels, strict=True)):
            if settings.use_ema:
                level.update(assigned[index], decay)
            else:
                level.track_usage(assigned[index], decay)
            if noise is not None:
                num_reset = num_reset + reset_dead_codes(
                    level,
                    self._gathered(result, noise.shape[-1]),
                    percentile=settings.dead_code_threshold,
                    max_fraction=settings.dead_code_max_reset_fraction,
                    cool_down=round(1 / max(1e-6, 1 - decay)),
                    noise=noise[index % LEVELS, : len(level.mask)],
                )
        return num_reset

    def row_losses(self, model: CategoricalVQVAE, sample: RowSample) -> RowLosses:
        """Return the losses of a network."""
        return sample.network_losses(model)

    def finish(self, model: CategoricalVQVAE, rows: Tensor) -> None:
        """Fit the linear part of the shared decoder to the tokens of the beam search, with which rows are encoded."""
        if self.group.is_main:
            refit_decoder(model, interpolate_neighbors(rows, self.batches.seed).flatten(0, 1))
        self.group.broadcast_([model.decoder.linear.detach()])

    def use_eager(self) -> bool:
        """Use the forward pass without compilation from now on. Return whether it was compiled before."""
        was_compiled, self.compiled, self.forward = self.compiled, False, self._forward
        return was_compiled

    def _gathered(self, result: LevelResult, global_batch: int) -> LevelResult:
        """Return a result with the latents and one-hot assignments of the global batch."""
        shards = (result.latents, result.one_hot)
        latents, one_hot = (self.group.all_gather(shard.detach(), global_batch, dim=1) for shard in shards)
        return replace(result, latents=latents, one_hot=one_hot)

    def _forward(self, rows: Tensor, draws: StepDraws) -> tuple[LossTerms, Any]:
        model, group = self.model, self.group
        global_batch = draws.rows
        category_rows = math.ceil(CATEGORY_DECODER_FRACTION * global_batch)
        result = model(
            rows,
            dropout_ends=dropout_ends(global_batch, group),
            category_rows=group.shard_size(category_rows),
        )
        terms = objective(
            model,
            rows,
            result,
            draws.projection,
            self.loss_settings,
            global_batch=global_batch,
            category_rows=category_rows,
            group=group,
        )
        return terms, result.levels


class JointStep:
    """Training step of joint assignment, which trains the refinement x^ = y + gelu(y W1 + b1) W2 with fixed tokens.

    Parameters
    ----------
    model
        Network with fitted joint codes.
    batches
        Batches of rows in memory.
    losses
        Loss weights, of which only ``reconstruction_weight`` is used.
    codebooks, compiled
        Not used: codebooks do not change, and the step is small.
    group
        Processes that share each batch.
    """

    def __init__(
        self,
        model: CategoricalVQVAE,
        batches: Batches,
        *,
        losses: LossSettings,
        codebooks: CodebookSettings,
        compiled: bool,
        group: ProcessGroup = SINGLE,
    ) -> None:
        assert isinstance(model, JointVQVAE), "the model assigns tokens jointly"
        assert isinstance(batches, InMemoryBatches), "joint codes are trained on rows in memory"
        self.codes = model.joint
        self.weight = losses.reconstruction_weight
        self.batches = batches
        self.group = group
        self.points = interpolate_neighbors(batches.stored, batches.seed)
        rows = self.points.flatten(0, 1)
        tokens = group.all_gather(make_codec(model).encode(group.shard(rows)).indices, len(rows))
        self.tokens = tokens.view(*self.points.shape[:2], *tokens.shape[1:])

    def losses(self, batch: Tensor, draws: StepDraws) -> LossTerms:
        """Return the reconstruction loss. All other losses are zero, since their parameters are not trained."""
        global_batch = draws.rows
        point = (self.group.shard(draws.augmentation[0]) * len(self.points)).long()
        rows, tokens = self.points[point, batch], self.tokens[point, batch]
        first, second = dropout_ends(global_batch, self.group)
        prefixes = [tokens[:first, :, :1], tokens[first:second, :, :2], tokens[second:]]
        sums = torch.cat([self.codes.sums(prefix) for prefix in prefixes if len(prefix)])
        mean = (rows - self.codes.refine(sums)).square().mean()
        error = self.group.all_reduce_mean(mean, len(rows), global_batch)
        zero = torch.zeros((), device=rows.device)
        return LossTerms(self.weight * error, error, zero, zero, zero, zero, zero)

    def after_update(self, draws: StepDraws, decay: float) -> Tensor:
        """Return 0: codebooks do not change."""
        return torch.zeros((), dtype=torch.int64, device=self.tokens.device)

    @torch.no_grad()
    def row_losses(self, model: CategoricalVQVAE, sample: RowSample) -> RowLosses:
        """Return the reconstruction loss of the fixed tokens of the rows."""
        assert isinstance(model, JointVQVAE), "the model assigns tokens jointly"
        rows, tokens = (values[0, sample.positions] for values in (self.points, self.tokens))
        return RowLosses(float((rows - model.joint.refine(model.joint.sums(tokens))).square().mean()))

    def finish(self, model: CategoricalVQVAE, rows: Tensor) -> None:
        """Do nothing: the vectors do not change in training."""

    def use_eager(self) -> bool:
        """Return False: the step is never compiled."""
        return False


STEPS: dict[str, type[LocalStep] | type[JointStep]] = {"local": LocalStep, "joint": JointStep}
"""Class of the training step for each assignment."""


def dropout_ends(global_batch: int, group: ProcessGroup = SINGLE) -> tuple[int, int]:
    """Return the row numbers (a, b) of the quantizer dropout in this process's shard.

    Rows before a are decoded from one level, rows from a to b - 1 from two levels, and all other rows from all levels.
    """
    rows = int(QUANTIZER_DROPOUT_FRACTION * global_batch)
    return group.shard_size(rows), group.shard_size(2 * rows)
