"""Adam with decoupled weight decay and steps that are scaled by coordinate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class Adam:
    """Adam with decoupled weight decay (Kingma and Ba, 2015; Loshchilov and Hutter, 2019).

    m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, w <- (1 - lr decay) w - s lr m^ / (sqrt(v^) + eps)

    The class calls the fused function of ``torch.optim.AdamW`` and has the same state. ``torch.optim.AdamW`` itself
    imports torch's compiler, which takes three to seven seconds.

    Parameters
    ----------
    param_groups
        Dictionaries with ``params``, ``lr`` and ``weight_decay``. ``lr`` may be changed between steps.
    step_scales
        Factors s in [0, 1] of the steps of some parameters, which can be broadcast to the parameter. The default is 1.
    """

    def __init__(
        self, param_groups: list[dict[str, Any]], step_scales: Mapping[torch.nn.Parameter, Tensor] | None = None
    ) -> None:
        self.param_groups = param_groups
        self.step_scales = dict(step_scales or {})
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
            kept = 1 - group["lr"] * group["weight_decay"]
            scaled = [(each, self.step_scales[each], each * kept) for each in updated if each in self.step_scales]
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
                weight_decay=group["weight_decay"],
                decoupled_weight_decay=True,
                eps=EPSILON,
                maximize=False,
            )
            for parameter, scale, decayed in scaled:
                parameter.sub_(decayed).mul_(scale).add_(decayed)

    def state_dict(self) -> dict[str, Any]:
        """Return the state in the format of ``torch.optim.Adam``: moments and steps by parameter number, and groups."""
        number = {parameter: index for index, parameter in enumerate(self._parameters())}
        groups = [
            {name: value for name, value in group.items() if name != "weight_decay"}  # a constant of the program
            | {"params": [number[each] for each in group["params"]]}
            for group in self.param_groups
        ]
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
