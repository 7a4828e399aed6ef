"""The optimiser of a run, and how fast each part of the network learns."""

from __future__ import annotations

import torch

from spinlock.model import CategoricalVQVAE

ENCODER_SHARE = 0.02
LINEAR_SHARE = 0.1
BRANCH_SHARE = 3.0
READOUT_SHARE = 1.0
"""Shares of the learning rate: encoders and projections, linear decoder, its hidden layer, and partial decoders."""


def make_optimizer(model: CategoricalVQVAE, learning: float, *, warm: bool) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba, 2015) over all parameters that learn; after a warm start they take smaller steps."""
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(learning_share(name) if warm else 1.0, []).append(parameter)
    parameters = [{"params": members, "share": share, "lr": learning * share} for share, members in groups.items()]
    return torch.optim.Adam(parameters, fused=True)


def learning_share(name: str) -> float:
    """The share of the learning rate that a parameter takes after a warm start.

    Codebooks follow the encoders with a memory of 1 / (1 - decay) steps; encoders that run ahead of them lose what the
    warm start had, and what a hidden layer learns on tokens that move is lost with them. So encoders and projections
    take small steps, the hidden layer behind the codes, which starts at zero, large ones. Partial decoders only
    measure; slower than the encoders they would measure the encoders of some time ago.
    """
    if ".partial_decoders." in name:
        return READOUT_SHARE
    if ".encoder." in name or ".quantizer." in name:
        return ENCODER_SHARE
    return LINEAR_SHARE if name.endswith("linear") else BRANCH_SHARE
