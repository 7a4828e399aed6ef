"""The arithmetic of Adam, and the rate and scale of each parameter."""

import pytest
import torch

from spinlock.initialization.coordinate_scales import coordinate_scales
from spinlock.training.optimization.adam import Adam
from spinlock.training.optimization.optimizer import (
    JOINT_RATE_FACTOR,
    RATE_FACTOR,
    WEIGHT_DECAY,
    is_of_earlier_version,
    make_optimizer,
)
from tests.model.specs import random_rows, small_model


def test_the_network_and_the_refinement_of_joint_codes_have_their_rates() -> None:
    model, rows = small_model(learned_codes=True), random_rows()
    network, codes = make_optimizer(model, 0.1, rows).param_groups
    assert (network["lr"], network["lr_scale"]) == (pytest.approx(0.1 * RATE_FACTOR), RATE_FACTOR)
    assert (network["weight_decay"], codes["weight_decay"]) == (WEIGHT_DECAY, 0.0)
    parts = {name: {id(each) for each in group["params"]} for name, group in (("network", network), ("codes", codes))}
    named = {id(each): name for name, each in model.named_parameters()}
    assert parts["network"] | parts["codes"] == named.keys()
    assert {name for key, name in named.items() if name.endswith(".codes")} == {named[key] for key in parts["codes"]}
    joint = model.with_joint_codes()
    *_, refinement = make_optimizer(joint, 0.1, rows).param_groups
    assert (refinement["lr_scale"], refinement["weight_decay"]) == (JOINT_RATE_FACTOR, 0.0)
    assert {id(each) for each in refinement["params"]} == {id(each) for each in joint.joint.parameters()}


def test_a_learned_code_without_a_gradient_does_not_move() -> None:
    model, rows = small_model(learned_codes=True), random_rows()
    optimizer = make_optimizer(model, 0.1, rows)
    codes = [weight for name, weight in model.named_parameters() if name.endswith(".codes")]
    before = [weight.detach().clone() for weight in codes]
    for weight in codes:
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    assert all(torch.equal(old, new) for old, new in zip(before, codes, strict=True))


def test_steps_of_encoders_and_learned_codes_follow_the_spread_of_the_coordinates() -> None:
    model, rows = small_model(learned_codes=True), random_rows()
    optimizer = make_optimizer(model, 0.1, rows)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    for group in optimizer.param_groups:
        group["weight_decay"] = 0.0
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step()
    moved = {name: (before[name] - weight).detach() for name, weight in model.named_parameters()}
    for number, scale in enumerate(coordinate_scales(rows, model.spec)):
        for name in ("encoder.linear", "encoder.output", "quantizer.levels.1.codes"):
            step = moved[f"buckets.{number}.{name}"]
            expected = torch.nn.functional.pad(scale, (0, max(0, step.shape[-1] - scale.shape[-1])))
            torch.testing.assert_close(step, (2.0 * expected[..., : step.shape[-1]]).expand_as(step))
    torch.testing.assert_close(moved["decoder.hidden"], torch.full_like(moved["decoder.hidden"], 2.0))


def test_scales_are_relative_standard_deviations_along_principal_axes_and_smaller_for_wide_categories(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, rows = small_model(), random_rows(200)
    narrowest, *_, widest = sorted(map(len, model.spec.groups))
    monkeypatch.setattr("spinlock.initialization.coordinate_scales.FULL_STEP_COLUMNS", (narrowest + widest) / 2)
    for block, scale in zip(model.each_bucket(), coordinate_scales(rows, model.spec), strict=True):
        for place, group in enumerate(model.spec.groups[block.members]):
            points = rows[:, list(group)].double()
            expected = torch.linalg.eigvalsh(points.t() @ points).flip(0).sqrt()
            width = min(scale.shape[-1], len(group))
            factor = min(1.0, (narrowest + widest) / 2 / len(group))
            relative = factor * (expected / expected[0])[:width]
            torch.testing.assert_close(scale[place, 0, :width].double(), relative, rtol=1e-4, atol=1e-5)
            assert not scale[place, 0, width:].any()


def take_steps(optimizer: torch.optim.AdamW | Adam, weights: list[torch.nn.Parameter], steps: range) -> None:
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
    return weights, [
        {"params": weights[:1], "lr": 0.1, "weight_decay": 0.3},
        {"params": weights[1:], "lr": 0.01, "weight_decay": 0.3},
    ]


def test_steps_and_state_equal_torch_adamw() -> None:
    (mine, groups), (theirs, other) = parameter_groups(), parameter_groups()
    own, torchs = Adam(groups), torch.optim.AdamW(other, fused=True)
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


def test_the_weight_decay_does_not_depend_on_the_scale_of_the_steps() -> None:
    weight = torch.nn.Parameter(torch.full((2, 3), 4.0))
    scale = torch.tensor([1.0, 0.5, 0.0])
    optimizer = Adam([{"params": [weight], "lr": 0.1, "weight_decay": 0.5}], {weight: scale})
    weight.grad = torch.ones_like(weight)
    optimizer.step()
    torch.testing.assert_close(weight.detach(), (4.0 * 0.95 - 0.1 * scale).expand(2, 3))


def test_an_earlier_optimizer_state_is_recognized_by_its_rates() -> None:
    optimizer = make_optimizer(small_model(), 0.1, random_rows())
    earlier = {"param_groups": [{"lr_scale": 0.02}, {"lr_scale": 3.0}]}
    assert is_of_earlier_version(earlier)
    assert not is_of_earlier_version(optimizer.state_dict())
    assert not is_of_earlier_version({"param_groups": []})
