"""Optimizer of a run, and the learning-rate factor of each part of the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from spinlock.model import CategoricalVQVAE

BETAS = (0.9, 0.999)
EPSILON = 1e-8

ENCODER_SCALE = 0.02
LINEAR_SCALE = 0.1
HIDDEN_SCALE = 3.0
CATEGORY_DECODER_SCALE = 1.0
"""Factors of the learning rate after closed-form initialization: of encoders and quantizers, of the linear part of the
decoder, of its hidden layer, and of the category decoders."""


class Adam:
    """Adam (Kingma and Ba, 2015): m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, w <- w - lr m^ / (sqrt(v^) + eps).

    The class calls the fused function of ``torch.optim.Adam`` and has the same state. ``torch.optim.Adam`` itself
    imports torch's compiler, which takes three to seven seconds.

    Parameters
    ----------
    param_groups
        Dictionaries with ``params`` and ``lr``. ``lr`` may be changed between steps.
    """

    def __init__(self, param_groups: list[dict[str, Any]]) -> None:
        self.param_groups = param_groups
        self.state: dict[torch.nn.Parameter, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Set all gradients to None."""
        for parameter in self._parameters():
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters that have a gradient."""
        for group in self.param_groups:
            updated = [parameter for parameter in group["params"] if parameter.grad is not None]
            for parameter in updated:
                if parameter not in self.state:
                    self.state[parameter] = {
                        "step": torch.zeros((), device=parameter.device),
                        "exp_avg": torch.zeros_like(parameter),
                        "exp_avg_sq": torch.zeros_like(parameter),
                    }
            states = [self.state[parameter] for parameter in updated]
            adam(
                updated,
                [parameter.grad for parameter in updated],
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
        """Return the state in the format of ``torch.optim.Adam``: moments and steps by parameter number, and groups."""
        number = {parameter: index for index, parameter in enumerate(self._parameters())}
        groups = [{**group, "params": [number[each] for each in group["params"]]} for group in self.param_groups]
        return {
            "state": {number[parameter]: dict(state) for parameter, state in self.state.items()},
            "param_groups": groups,
        }

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Load moments, steps and learning rates.

        Raises
        ------
        ValueError
            The state belongs to other parameters.
        """
        parameters = self._parameters()
        members = [(group["params"], group.get("lr_scale")) for group in self.state_dict()["param_groups"]]
        if members != [(group["params"], group.get("lr_scale")) for group in stored["param_groups"]]:
            raise ValueError("param_groups has other parameters or learning rates")
        for index, state in stored["state"].items():
            for name in ("exp_avg", "exp_avg_sq"):
                shape, expected = list(state[name].shape), list(parameters[index].shape)
                if shape != expected:
                    what = f"state[{index}].{name} belongs to other parameters"
                    raise ValueError(f"{what}: it is a tensor {shape}; expected {expected}")
        self.state = {
            parameters[index]: {name: value.to(parameters[index].device, copy=True) for name, value in state.items()}
            for index, state in stored["state"].items()
        }
        for group, other in zip(self.param_groups, stored["param_groups"], strict=True):
            group["lr"] = other["lr"]

    def _parameters(self) -> list[torch.nn.Parameter]:
        return [parameter for group in self.param_groups for parameter in group["params"]]


def make_optimizer(model: CategoricalVQVAE, learning_rate: float, *, scaled: bool) -> Adam:
    """Create the optimizer of all parameters that are trained.

    Parameters
    ----------
    model
        Network to train.
    learning_rate
        Maximum learning rate of the schedule.
    scaled
        Whether to use the factors of :func:`learning_rate_scale`, as after closed-form initialization.

    Returns
    -------
    Adam
    """
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault(learning_rate_scale(name) if scaled else 1.0, []).append(parameter)
    return Adam(
        [{"params": members, "lr_scale": scale, "lr": learning_rate * scale} for scale, members in groups.items()]
    )


def learning_rate_scale(name: str) -> float:
    """Return the factor of the learning rate of a parameter after closed-form initialization.

    The moving averages of the codebooks follow the encoders with a delay of about 1 / (1 - decay) steps. If encoders
    change faster, the quality of the initialization is lost, and the tokens change faster than the hidden layer of the
    decoder learns. Encoders and quantizers therefore have a small learning rate. The hidden layer, whose output weights
    start at zero, has a large one. Category decoders need the full rate to follow the encoders.
    """
    if ".category_decoders." in name:
        return CATEGORY_DECODER_SCALE
    if ".encoder." in name or ".quantizer." in name:
        return ENCODER_SCALE
    return LINEAR_SCALE if name.endswith("linear") else HIDDEN_SCALE
