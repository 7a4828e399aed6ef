"""Creation of the optimizer of a run: learning rates, weight decay, and scales of the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from spinlock.initialization.coordinate_scales import coordinate_scales
from spinlock.model import CategoricalVQVAE
from spinlock.runtime.process_group import SINGLE, ProcessGroup
from spinlock.training.optimization.adam import Adam

RATE_FACTOR = 20.0
"""Learning rate of the network, in units of ``learning_rate``."""

JOINT_RATE_FACTOR = 3.0
"""Learning rate of the hidden layer after the sum of joint codes, in units of ``learning_rate``."""

WEIGHT_DECAY = 0.5
"""Decoupled weight decay of encoders and decoders, in units of their learning rate. It limits overfitting to few
rows."""

EARLIER_RATE_FACTORS = frozenset((0.02, 0.1, 1.0, 3.0))
"""Rate factors of earlier versions, whose parameters were grouped in another way."""


def make_optimizer(model: CategoricalVQVAE, learning_rate: float, rows: Tensor, group: ProcessGroup = SINGLE) -> Adam:
    """Create the optimizer of all parameters that are trained.

    The steps of encoders and learned codes are scaled by coordinate, see
    :mod:`~spinlock.initialization.coordinate_scales`.

    Parameters
    ----------
    model
        Network to train.
    learning_rate
        Maximum learning rate of the schedule.
    rows
        Training rows [n, D] in normalized units, from which the scales are computed.
    group
        Processes that train together. They have the scales of the main process.

    Returns
    -------
    Adam
    """
    scales = coordinate_scales(rows, model.spec)
    group.broadcast_(scales)
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    refinement = [parameter for name, parameter in trained.items() if name.startswith("joint.")]
    codes = [parameter for name, parameter in trained.items() if name.endswith(".codes")]
    network = [parameter for parameter in trained.values() if not _contains(parameter, [*refinement, *codes])]
    groups = [
        {"params": members, "lr_scale": factor, "lr": learning_rate * factor, "weight_decay": decay}
        for members, factor, decay in (
            (network, RATE_FACTOR, WEIGHT_DECAY),
            (codes, RATE_FACTOR, 0.0),  # an unused code has no gradient and stays where it is
            (refinement, JOINT_RATE_FACTOR, 0.0),
        )
        if members
    ]
    return Adam(groups, _step_scales(model, scales))


def _contains(parameter: torch.nn.Parameter, members: Sequence[torch.nn.Parameter]) -> bool:
    return any(parameter is member for member in members)


def _step_scales(model: CategoricalVQVAE, scales: Sequence[Tensor]) -> dict[torch.nn.Parameter, Tensor]:
    """Return the scale of each parameter whose last dimension is the embedding coordinate."""
    result: dict[torch.nn.Parameter, Tensor] = {}
    for bucket, scale in zip(model.each_bucket(), scales, strict=True):
        result |= {bucket.encoder.linear: scale, bucket.encoder.output: scale}
        for level in bucket.quantizer.each_level():
            if level.codes.requires_grad:
                width = level.codes.shape[-1]
                result[level.codes] = F.pad(scale, (0, max(0, width - scale.shape[-1])))[..., :width]
    return result


def is_of_earlier_version(stored: Mapping[str, Any]) -> bool:
    """Return whether an optimizer state has the parameter groups of an earlier version of the program."""
    factors = {group["lr_scale"] for group in stored["param_groups"]}
    return bool(factors) and factors <= EARLIER_RATE_FACTORS
