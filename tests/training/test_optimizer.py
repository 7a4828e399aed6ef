"""Adam's arithmetic, and the scale of the learning rate of each parameter."""

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


def test_every_parameter_has_its_scale_of_the_learning_rate() -> None:
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


def descend(optimizer: torch.optim.Adam | Adam, weights: list[torch.nn.Parameter], steps: range) -> None:
    """Steps of some gradients; the last weight has none, the learning rate of the first group falls."""
    for step in steps:
        optimizer.zero_grad()
        for index, weight in enumerate(weights[:-1]):
            generator = torch.Generator().manual_seed(10 * step + index)
            weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
        optimizer.step()


def grouped() -> tuple[list[torch.nn.Parameter], list[dict[str, object]]]:
    """Three weights in two groups."""
    weights = [torch.nn.Parameter(torch.ones(shape)) for shape in ((3, 2), (4,), (2,))]
    return weights, [{"params": weights[:1], "lr": 0.1}, {"params": weights[1:], "lr": 0.01}]


def test_steps_and_state_are_those_of_torch() -> None:
    (mine, groups), (theirs, other) = grouped(), grouped()
    own, torchs = Adam(groups), torch.optim.Adam(other, fused=True)
    descend(own, mine, range(5))
    descend(torchs, theirs, range(5))
    assert all(torch.equal(a, b) for a, b in zip(mine, theirs, strict=True))
    state, expected = own.state_dict(), torchs.state_dict()
    assert state["state"].keys() == expected["state"].keys() == {0, 1}
    for index, moments in expected["state"].items():
        assert state["state"][index].keys() == moments.keys()
        assert all(torch.equal(state["state"][index][name], value) for name, value in moments.items())
    assert [group["params"] for group in state["param_groups"]] == [[0], [1, 2]]


def test_a_stored_state_goes_on_as_if_nothing_had_happened() -> None:
    (mine, groups), (others, other) = grouped(), grouped()
    own, resumed = Adam(groups), Adam(other)
    descend(own, mine, range(3))
    resumed.load_state_dict(own.state_dict())
    with torch.no_grad():
        for weight, now in zip(others, mine, strict=True):
            weight.copy_(now)
    descend(own, mine, range(3, 6))
    descend(resumed, others, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(mine, others, strict=True))


def test_moments_stay_where_they_are() -> None:
    weights, groups = grouped()
    own = Adam(groups)
    descend(own, weights, range(1))
    before = {parameter: dict(state) for parameter, state in own.state.items()}
    descend(own, weights, range(1, 3))
    assert all(own.state[each][name] is moment for each, state in before.items() for name, moment in state.items())


def test_a_state_of_other_parameters_is_refused() -> None:
    (weights, groups), (_, other) = grouped(), grouped()
    own = Adam(groups)
    descend(own, weights, range(1))
    fewer, longer = own.state_dict(), own.state_dict()
    fewer["param_groups"] = fewer["param_groups"][:1]
    longer["state"][0]["exp_avg"] = torch.zeros(7)
    for stored in (fewer, longer):
        with pytest.raises(ValueError, match="other parameters"):
            Adam(other).load_state_dict(stored)
