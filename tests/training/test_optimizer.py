"""The arithmetic of Adam, and the learning-rate scale of each parameter."""

import pytest
import torch

from spinlock.training.optimizer import (
    CATEGORY_DECODER_SCALE,
    ENCODER_SCALE,
    HIDDEN_SCALE,
    LINEAR_SCALE,
    Adam,
    learning_rate_scale,
    make_optimizer,
)
from tests.model.specs import small_model


def test_each_parameter_has_its_learning_rate_scale() -> None:
    model = small_model(learned_codes=True)
    scales = {name: learning_rate_scale(name) for name, _ in model.named_parameters()}
    assert scales["buckets.0.encoder.linear"] == scales["buckets.1.quantizer.levels.2.project_in"] == ENCODER_SCALE
    assert (
        scales["buckets.0.category_decoders.linear"]
        == scales["buckets.1.category_decoders.bias"]
        == CATEGORY_DECODER_SCALE
    )
    assert scales["decoder.linear"] == LINEAR_SCALE
    assert scales["decoder.hidden"] == scales["decoder.bias"] == HIDDEN_SCALE
    groups = make_optimizer(model, 0.1, scaled=True).param_groups
    owner = {id(member): group["lr_scale"] for group in groups for member in group["params"]}
    assert owner == {id(member): scales[name] for name, member in model.named_parameters()}
    assert [group["lr"] for group in groups] == [pytest.approx(0.1 * group["lr_scale"]) for group in groups]
    (whole,) = make_optimizer(model, 0.1, scaled=False).param_groups
    assert whole["lr_scale"] == 1.0


def take_steps(optimizer: torch.optim.Adam | Adam, weights: list[torch.nn.Parameter], steps: range) -> None:
    """Take steps with random gradients. The last weight has none, and the learning rate of the first group falls."""
    for step in steps:
        optimizer.zero_grad()
        for index, weight in enumerate(weights[:-1]):
            generator = torch.Generator().manual_seed(10 * step + index)
            weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
        optimizer.step()


def parameter_groups() -> tuple[list[torch.nn.Parameter], list[dict[str, object]]]:
    """Three weights in two groups."""
    weights = [torch.nn.Parameter(torch.ones(shape)) for shape in ((3, 2), (4,), (2,))]
    return weights, [{"params": weights[:1], "lr": 0.1}, {"params": weights[1:], "lr": 0.01}]


def test_steps_and_state_equal_torch_adam() -> None:
    (mine, groups), (theirs, other) = parameter_groups(), parameter_groups()
    own, torchs = Adam(groups), torch.optim.Adam(other, fused=True)
    take_steps(own, mine, range(5))
    take_steps(torchs, theirs, range(5))
    assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
    state, expected = own.state_dict(), torchs.state_dict()
    assert state["state"].keys() == expected["state"].keys() == {0, 1}
    for index, moments in expected["state"].items():
        assert state["state"][index].keys() == moments.keys()
        assert all(torch.equal(state["state"][index][name], value) for name, value in moments.items())
    assert [group["params"] for group in state["param_groups"]] == [[0], [1, 2]]


def test_a_restored_state_continues_exactly() -> None:
    (mine, groups), (others, other) = parameter_groups(), parameter_groups()
    own, resumed = Adam(groups), Adam(other)
    take_steps(own, mine, range(3))
    resumed.load_state_dict(own.state_dict())
    with torch.no_grad():
        for weight, now in zip(others, mine, strict=True):
            weight.copy_(now)
    take_steps(own, mine, range(3, 6))
    take_steps(resumed, others, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(mine, others, strict=True))


def test_moments_are_updated_in_place() -> None:
    weights, groups = parameter_groups()
    own = Adam(groups)
    take_steps(own, weights, range(1))
    before = {parameter: dict(state) for parameter, state in own.state.items()}
    take_steps(own, weights, range(1, 3))
    assert all(own.state[each][name] is moment for each, state in before.items() for name, moment in state.items())


def test_a_state_of_other_parameters_is_refused() -> None:
    (weights, groups), (_, other) = parameter_groups(), parameter_groups()
    own = Adam(groups)
    take_steps(own, weights, range(1))
    fewer, longer = own.state_dict(), own.state_dict()
    fewer["param_groups"] = fewer["param_groups"][:1]
    longer["state"][0]["exp_avg"] = torch.zeros(7)
    for stored in (fewer, longer):
        with pytest.raises(ValueError, match="other parameters"):
            Adam(other).load_state_dict(stored)
