"""Estimate of the time and the memory of a run."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from spinlock.model import build_network
from spinlock.training.batches import BUFFER_BYTES
from spinlock.training.losses.objective import objective
from spinlock.training.optimization.schedule import step_draws
from spinlock.training.plan import Plan

OPTIMIZER_COPIES = 5
"""Number of tensors of the size of the weights: weights, their average, gradients and the two moments of Adam."""


@dataclass(frozen=True)
class Estimate:
    """Expected time of the training loop in seconds, and memory of its tensors in bytes."""

    seconds: float
    memory: float


def estimate(plan: Plan, device: torch.device) -> Estimate:
    """Measure the time of the gradient of one batch after a warm-up, and add up the sizes of the tensors."""
    data, spec, config = plan.data, plan.spec, plan.config
    batch = plan.batch_plan.batch
    model = build_network(spec, learned_codes=not config.use_ema).to(device)
    rows = data.train[torch.arange(batch, device=device) % len(data.train)]
    seconds = 0.0
    for step in range(2):
        started = time.perf_counter()
        draws = step_draws(spec, len(rows), seed=config.random_seed, step=step, device=device)
        terms = objective(model, rows, model(rows), draws.projection, config)
        torch.autograd.backward(terms.total)
        float(terms.total.detach())  # wait for the device
        seconds = time.perf_counter() - started
    parameters = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    activations = 4 * batch * spec.num_categories * (12 * spec.embedding_dim + 3 * spec.hidden_dim)
    table = sum(4 * rows.numel() for rows in (data.train, data.validation)) + data.table.rows.nbytes
    table += 3 * BUFFER_BYTES if data.streamed else 0
    return Estimate(seconds * plan.total_steps, OPTIMIZER_COPIES * parameters + 3 * activations + table)
