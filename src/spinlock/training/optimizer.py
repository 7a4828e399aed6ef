"""The optimizer of a run, and how fast each part of the network learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from spinlock.model import CategoricalVQVAE

BETAS = (0.9, 0.999)
EPSILON = 1e-8

ENCODER_SHARE = 0.02
LINEAR_SHARE = 0.1
BRANCH_SHARE = 3.0
READOUT_SHARE = 1.0
"""Shares of the learning rate: encoders and projections, linear decoder, its hidden layer, and partial decoders."""


class Adam:
    """m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, w <- w - lr m^ / (sqrt(v^) + eps) (Kingma and Ba, 2015), fused.

    The function that ``torch.optim.Adam`` calls, and that class's state, without the class: making one imports
    torch's compiler, which takes three to seven seconds of every run. ``param_groups`` are dictionaries with
    ``params`` and ``lr``, which may be set between steps.
    """

    def __init__(self, param_groups: list[dict[str, Any]]) -> None:
        self.param_groups = param_groups
        self.state: dict[torch.nn.Parameter, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters():
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move the parameters that have a gradient."""
        for group in self.param_groups:
            moving = [parameter for parameter in group["params"] if parameter.grad is not None]
            for parameter in moving:
                if parameter not in self.state:
                    self.state[parameter] = _at_rest(parameter)
            states = [self.state[parameter] for parameter in moving]
            adam(
                moving,
                [parameter.grad for parameter in moving],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                [state["step"] for state in states],
                fused=True,
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=group["lr"],
                weight_decay=0.0,
                eps=EPSILON,
                maximize=False,
            )

    def state_dict(self) -> dict[str, Any]:
        """As that of ``torch.optim.Adam``: moments and steps by number of the parameter, and the groups."""
        number = {parameter: index for index, parameter in enumerate(self._parameters())}
        groups = [{**group, "params": [number[each] for each in group["params"]]} for group in self.param_groups]
        return {
            "state": {number[parameter]: dict(state) for parameter, state in self.state.items()},
            "param_groups": groups,
        }

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Take over moments, steps and learning rates of the same parameters.

        Raises:
            ValueError: they are of other parameters.
        """
        parameters = self._parameters()
        members = [group["params"] for group in self.state_dict()["param_groups"]]
        if members != [group["params"] for group in stored["param_groups"]] or any(
            index not in range(len(parameters)) or state[name].shape != parameters[index].shape
            for index, state in stored["state"].items()
            for name in ("exp_avg", "exp_avg_sq")
        ):
            raise ValueError("the optimizer's state is that of other parameters")
        self.state = {
            parameters[index]: {name: value.to(parameters[index].device, copy=True) for name, value in state.items()}
            for index, state in stored["state"].items()
        }
        for group, other in zip(self.param_groups, stored["param_groups"], strict=True):
            group["lr"] = other["lr"]

    def _parameters(self) -> list[torch.nn.Parameter]:
        return [parameter for group in self.param_groups for parameter in group["params"]]


def _at_rest(parameter: Tensor) -> dict[str, Tensor]:
    """The state of a parameter that never moved."""
    step = torch.zeros((), device=parameter.device)
    return {"step": step, "exp_avg": torch.zeros_like(parameter), "exp_avg_sq": torch.zeros_like(parameter)}


def make_optimizer(model: CategoricalVQVAE, learning: float, *, warm: bool) -> Adam:
    """Adam over all parameters that learn; after a warm start they take smaller steps."""
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(learning_share(name) if warm else 1.0, []).append(parameter)
    parameters = [{"params": members, "share": share, "lr": learning * share} for share, members in groups.items()]
    return Adam(parameters)


def learning_share(name: str) -> float:
    """The share of the learning rate that a parameter takes after a warm start.

    Codebooks follow the encoders with a memory of 1 / (1 - decay) steps; encoders that run ahead of them lose what the
    warm start had, and what a hidden layer learns on tokens that move is lost with them. So encoders and projections
    take small steps, the hidden layer behind the codes, which starts at zero, large ones. Partial decoders only
    measure; slower than the encoders they would measure the encoders of some time ago.
    """
    if ".category_decoders." in name:
        return READOUT_SHARE
    if ".encoder." in name or ".quantizer." in name:
        return ENCODER_SHARE
    return LINEAR_SHARE if name.endswith("linear") else BRANCH_SHARE
