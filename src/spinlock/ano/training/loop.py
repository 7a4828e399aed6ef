"""Training of the members, one after another.

All random numbers of an epoch follow from the seed, the number of the member and the number of the epoch. A run that is
resumed after an epoch therefore gives the same weights, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from spinlock.ano.network.member import Member
from spinlock.ano.training.losses import Losses, Targets, member_losses
from spinlock.ano.training.plan import Plan
from spinlock.ano.training.state import PARTS, EpochRecord, TrainingState, Weights
from spinlock.errors import RunError
from spinlock.runtime.device import choose_device
from spinlock.runtime.isolation import isolated
from spinlock.runtime.threads import single_threaded

MAX_GRADIENT_NORM = 5.0
"""Gradients are scaled down to this norm: a density that is narrow at one row can have an extreme gradient."""

OnEpoch = Callable[[TrainingState, EpochRecord], None]
"""Function that is called after each epoch."""


def train(plan: Plan, state: TrainingState, on_epoch: OnEpoch = lambda state, record: None) -> list[Weights]:
    """Train the members that are missing.

    Parameters
    ----------
    plan
        The plan.
    state
        State of the run, which is changed.
    on_epoch
        Called after each epoch.

    Returns
    -------
    list of dict
        Weights of each member at its best epoch.

    Raises
    ------
    RunError
        The loss is not finite.
    """
    device = choose_device(plan.config.device)
    with isolated(device), single_threaded(device):
        while len(state.finished) < plan.config.members:
            _train_member(plan, state, device, on_epoch)
    return state.finished


def _train_member(plan: Plan, state: TrainingState, device: torch.device, on_epoch: OnEpoch) -> None:
    """Train the current member until its last epoch, or until neither part has improved for a while.

    A part that has not improved for a while is no longer trained.
    """
    settings, number = plan.config, state.member
    new = plan.new_member(number)
    member = new.member.to(device)
    trained = [parameter for parameter in member.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    validation = plan_targets(plan, plan.split.validation, seed=plan.seed(0, 0)).to(device)
    if state.weights is None or state.optimizer is None:
        state.history.append(_validate(plan, state, member, validation))
        state.optimizer = optimizer.state_dict()
    else:
        member.load_state_dict(state.weights)
        optimizer.load_state_dict(state.optimizer)
    while state.epoch < settings.epochs and (parts := _improving_parts(state, settings.early_stopping_patience)):
        seed = plan.seed(number, state.epoch + 1)
        torch.manual_seed(seed)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * (1 + math.cos(math.pi * state.epoch / settings.epochs)) / 2
        fit = replace(plan_targets(plan, plan.split.train, seed=seed), left_out=new.left_out).to(device)
        fitted = _train_epoch(plan, member, optimizer, fit, parts)
        if not math.isfinite(fitted):
            what = f"the loss of epoch {state.epoch + 1} of member {number} is {fitted}"
            raise RunError(what, remedy="pass a smaller learning_rate=...")
        record = _validate(plan, state, member, validation) | {"train_loss": fitted}
        state.optimizer = optimizer.state_dict()
        state.history.append(record)
        on_epoch(state, record)
    state.finish_member()


def _improving_parts(state: TrainingState, patience: int) -> list[str]:
    """Return the parts that have improved in the last ``patience`` epochs. The others are no longer trained."""
    return [part for part in PARTS if state.epoch - state.best_epochs[part] < patience]


def _validate(plan: Plan, state: TrainingState, member: Member, validation: Targets) -> EpochRecord:
    """Measure the losses of both parts on the validation operators, and record the epoch."""
    losses = evaluate_member(member, validation, plan)
    values = {"family": float(losses.family), "density": float(losses.parameters)}
    weights = {name: value.detach().cpu().clone() for name, value in member.state_dict().items()}
    state.record(state.epoch + 1 if state.weights is not None else 0, weights, values)
    return {
        "member": state.member,
        "epoch": state.epoch,
        "val_family_loss": values["family"],
        "val_information_bits": -values["density"] / math.log(2),
    }


def _train_epoch(
    plan: Plan, member: Member, optimizer: torch.optim.Optimizer, fit: Targets, parts: Sequence[str]
) -> float:
    """Run one epoch of some parts over the training operators in a random order, and return its mean loss."""
    member.train()
    total = 0.0
    order = torch.randperm(len(fit)).to(fit.family.device)
    for rows in _batches(order, plan.config.batch_size):
        losses = member_losses(member, fit[rows], plan.space, parts)
        optimizer.zero_grad()
        losses.total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(member.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
        total += float(losses.total.detach()) * len(rows)
    return total / len(fit)


def _batches(order: Tensor, size: int) -> list[Tensor]:
    """Divide the rows into batches of nearly equal sizes of at most ``size``."""
    return list(torch.tensor_split(order, math.ceil(len(order) / size)))


def evaluate_member(member: Member, targets: Targets, plan: Plan) -> Losses:
    """Return the losses of a member in evaluation mode."""
    member.eval()
    with torch.no_grad():
        return member_losses(member, targets, plan.space)


def plan_targets(plan: Plan, operators: np.ndarray[tuple[int], np.dtype[np.int64]], *, seed: int) -> Targets:
    """Return the targets of some operators; the coordinates of options are drawn with the seed."""
    data = plan.data
    real = plan.space.to_real(data, np.random.default_rng(seed))
    return Targets.of(data.rows.tokens[operators], data.family[operators], real[operators])
