"""What a run will do, told before it does it: adapted sizes, what will ever fire, time and memory."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import torch

from spinlock.categories.discovery import GIVEN
from spinlock.config import VQVAEConfig
from spinlock.metrics.rate_distortion import gaussian_bits
from spinlock.metrics.targets import UTILIZATION
from spinlock.model import LEVELS, CategoricalVQVAE
from spinlock.preprocessing.training_data import TrainingData
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.sizing.search import (
    MAX_CODEBOOK_SIZE,
    MAX_TARGET_QUALITY,
    ROWS_PER_CODE,
    VALIDATION_ROWS_PER_CODE,
    max_codebook_size,
)
from spinlock.training.batches import BUFFER_BYTES, batch_plan
from spinlock.training.compilation import CompilePlan, plan_compilation
from spinlock.training.objective import objective
from spinlock.training.prepare import Prepared
from spinlock.training.schedule import step_draws
from spinlock.training.trainer import LAST_RESETS, resets_due

NEARLY = 0.9
"""Sizes that spend more than this share of max_bits are limited by it: the next larger ones may not fit."""

OPTIMIZER_COPIES = 4
"""Weights, gradients and Adam's two moments."""


@dataclass(frozen=True)
class Estimate:
    """Expected seconds of the training loop and bytes of memory beside the program itself."""

    seconds: float
    memory: float


def adaptations(prepared: Prepared, config: VQVAEConfig) -> list[str]:
    """What was made smaller than configured, or than usual, because of the rows at hand."""
    data = prepared.data
    rows = len(data.train)
    plan = batch_plan(data, config)
    told = [*prepared.categories.notes]
    if data.streamed:
        told.append(streaming(data, config))
    if plan.batch < config.batch_size:
        told.append(
            f"batch size {plan.batch} instead of {config.batch_size}: {plan.rows} training rows, {plan.steps} equal "
            "batches"
        )
    if min(config.topo_samples, plan.batch) < config.topo_samples:
        told.append(f"topo_samples {plan.batch} instead of {config.topo_samples}: the batch has no more rows")
    held_out = len(prepared.data.validation)
    cap = max_codebook_size(rows, held_out)
    if cap < MAX_CODEBOOK_SIZE and prepared.sizes.automatic:
        told.append(
            f"codebooks of at most {cap} codes: {rows} training and {held_out} validation rows, {ROWS_PER_CODE} and "
            f"{VALIDATION_ROWS_PER_CODE} for each code"
        )
    if prepared.sizes.quality < config.target_quality:
        told.append(unmet_quality(prepared, config))
    if prepared.sizes.utilization < UTILIZATION:
        why = "codebooks that the quality needs" if prepared.sizes.automatic else "the codebooks that are given"
        told.append(
            f"utilization {prepared.sizes.utilization:.3f} expected: {held_out} validation rows are too few to show "
            f"{UTILIZATION:g} of {why}"
        )
    if not prepared.categories.discovery.meets_target:
        told.append(unmet_orthogonality(prepared))
    return told


def unmet_quality(prepared: Prepared, config: VQVAEConfig) -> str:
    """What keeps the quality expected of the best sizes below its target, in bits."""
    sizes, categories = prepared.sizes, prepared.spec.num_categories
    cap = max_codebook_size(len(prepared.data.train), len(prepared.data.validation))
    spectrum = np.asarray(np.linalg.eigvalsh(prepared.correlation), dtype=np.float64)
    needed = gaussian_bits(spectrum, min(MAX_TARGET_QUALITY, config.target_quality))
    allowed = LEVELS * categories * math.log2(cap)
    told = (
        f"quality {sizes.quality:.3f} expected, below target_quality {config.target_quality:g}, at {sizes.bits:.0f} "
        f"bits; a Gaussian source of this covariance needs {needed:.0f} bits"
    )
    if not sizes.automatic:
        return f"{told}; all sizes are given"
    if config.max_bits is not None and sizes.bits > NEARLY * config.max_bits:
        return f"{told}, max_bits allows {config.max_bits:g}"
    if allowed <= needed:
        return (
            f"{told}, {categories} categories x {LEVELS} codebooks x log2 {cap} hold {allowed:.0f}: more rows, or more "
            "categories (a higher orthogonality_target), allow more"
        )
    joint = "" if config.assignment == "joint" else " or assignment: joint"
    return (
        f"{told}, {categories} categories hold up to {allowed:.0f}: the best of what was tried; larger codebooks "
        f"would only remember the {len(prepared.data.train)} training rows. More rows{joint} would help"
    )


def unmet_orthogonality(prepared: Prepared) -> str:
    """Why the categories miss the orthogonality target."""
    found = prepared.categories.discovery
    if found.chosen.num_categories < 2:
        return "one category only: the columns are too few or too alike for a second one"
    if found.chosen.distance == GIVEN:
        return (
            f"largest centroid cosine {found.chosen.cosine:.3f} of the given categories is not below "
            f"orthogonality_target {found.target:g}"
        )
    if found.chosen.open_cosine < found.target:
        return (
            f"two given categories have a centroid cosine of {found.chosen.cosine:.3f}, not below orthogonality_target "
            f"{found.target:g}; the discovered ones are below it"
        )
    return (
        f"largest centroid cosine {found.chosen.cosine:.3f} is not below orthogonality_target {found.target:g}: no "
        "partition that was looked at is"
    )


def streaming(data: TrainingData, config: VQVAEConfig) -> str:
    """How a table that stays in its file is used."""
    held = f"{len(data.train)} training and {len(data.validation)} validation rows are held"
    epochs = (
        "joint codes are fitted and trained on the held ones"
        if config.assignment == "joint"
        else f"each epoch reads all {len(data.split.train)} training rows"
    )
    return f"the table stays in its file (max_table_mb): {held}, for fitting and metrics; {epochs}"


def callbacks(data: TrainingData, config: VQVAEConfig) -> list[str]:
    """What will happen during training, and what never will."""
    plan = batch_plan(data, config)
    total = config.epochs * plan.steps
    interval = config.dead_code_reset_interval
    validations = 1 + math.ceil(config.epochs / config.val_every_n_epochs)  # epoch 0, and the last one in any case
    told = [
        f"{config.epochs} epochs of {plan.steps} steps: {total} optimizer steps",
        f"validation every {config.val_every_n_epochs} epochs: {validations} times",
    ]
    last = int(LAST_RESETS * total)
    due = sum(resets_due(step, total, interval) for step in range(interval, total + 1, interval)) if interval else 0
    if config.assignment == "joint":
        told.append(
            "joint assignment: epochs train the refinement of joint codes by reconstruction_weight alone; other "
            "losses, EMA and resets belong to local assignment"
        )
        if not config.reconstruction_weight:
            told.append("reconstruction_weight is 0: nothing is trained")
    elif due:
        told.append(f"dead-code resets every {interval} steps: {due} times (none in the last fifth)")
    elif interval and last >= 1:
        told.append(
            f"dead-code resets never fall due: dead_code_reset_interval is {interval} steps, the last that counts is "
            f"step {last}; {max(1, last // 4)} would reset four times"
        )
    else:
        told.append("dead-code resets: off")
    patience = config.early_stopping_patience
    told.append(
        f"early stopping after {patience} epochs without a better score"
        if patience < config.epochs
        else f"early stopping never fires: patience {patience} is not below {config.epochs} epochs"
    )
    return told


def plan_step(
    prepared: Prepared, config: VQVAEConfig, device: torch.device, group: ProcessGroup = SINGLE
) -> CompilePlan:
    """Whether compiling the step is expected to pay over the whole run."""
    plan = batch_plan(prepared.data, config)
    return plan_compilation(
        prepared.spec,
        batch=plan.batch,
        steps=plan.steps * config.epochs,
        device=device,
        wanted=config.use_torch_compile,
        processes=group.world_size,
    )


def estimate(prepared: Prepared, config: VQVAEConfig, device: torch.device) -> Estimate:
    """Time the gradient of one batch of real rows (after a first one to warm up) and count the tensors."""
    data, spec = prepared.data, prepared.spec
    plan = batch_plan(data, config)
    model = CategoricalVQVAE(spec, learned_codes=not config.use_ema).to(device)
    rows = data.train[torch.arange(plan.batch, device=device) % len(data.train)]
    seconds = 0.0
    for step in range(2):
        started = time.perf_counter()
        draws = step_draws(spec, len(rows), seed=config.random_seed, step=step, device=device)
        terms = objective(model, rows, model(rows), draws.projection, config)
        torch.autograd.backward(terms.total)
        float(terms.total.detach())
        seconds = time.perf_counter() - started
    parameters = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    activations = 4 * plan.batch * spec.num_categories * (12 * spec.embedding_dim + 3 * spec.hidden_dim)
    table = sum(4 * rows.numel() for rows in (data.train, data.validation)) + data.table.rows.nbytes
    table += 3 * BUFFER_BYTES if data.streamed else 0
    return Estimate(seconds * plan.steps * config.epochs, OPTIMIZER_COPIES * parameters + 3 * activations + table)
