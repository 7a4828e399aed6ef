"""Rollouts of maps with known orbits."""

import pytest
import torch
from torch import Tensor

from spinlock.operators.rollout import EPSILONS, PROBE_STEPS, SCALES, probe, roll_out


def constant_fields(*values: float) -> Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1, 1).expand(-1, 1, 1, 2, 2).clone()


def test_frames_equal_the_orbit_after_the_warm_up() -> None:
    rollout = roll_out(lambda u, _: 2 * u, constant_fields(1.0, 3.0), 4, warmup=2, bound=1e6)
    assert rollout.frames.shape == (2, 1, 4, 1, 2, 2)
    assert rollout.frames[:, 0, :, 0, 0, 0].tolist() == [[4, 8, 16, 32], [12, 24, 48, 96]]
    assert rollout.blow_up.tolist() == [[0], [0]]


def test_the_first_frame_without_warm_up_is_the_initial_state() -> None:
    assert (
        roll_out(lambda u, _: u + 1, constant_fields(5.0), 1, warmup=0, bound=10).frames.flatten().tolist() == [5.0] * 4
    )


def test_steps_are_numbered_from_the_initial_condition() -> None:
    seen: list[int] = []

    def step(u: Tensor, index: int) -> Tensor:
        seen.append(index)
        return u

    roll_out(step, constant_fields(1.0), 3, warmup=2, bound=10)
    assert seen == [0, 1, 2, 3]


def test_a_run_that_exceeds_the_bound_repeats_its_last_frame_and_is_marked() -> None:
    rollout = roll_out(lambda u, _: 2 * u, constant_fields(1.0, 0.01), 6, warmup=1, bound=9.0)
    assert rollout.frames[0, 0, :, 0, 0, 0].tolist() == [2, 4, 8, 8, 8, 8]
    assert rollout.blow_up.tolist() == [[4], [0]]
    assert float(rollout.frames[1, 0, -1].max()) == pytest.approx(0.64)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_one_value_that_is_not_finite_ends_only_its_own_run(bad: float) -> None:
    def step(u: Tensor, index: int) -> Tensor:
        after = u + 1
        if index == 1:
            after[0, 0, 0, 1, 1] = bad
        return after

    rollout = roll_out(step, constant_fields(0.0, 0.0), 4, warmup=0, bound=100)
    assert rollout.blow_up.tolist() == [[2], [0]]
    assert rollout.frames[0, 0, :, 0, 1, 1].tolist() == [0, 1, 1, 1]
    assert rollout.frames[1, 0, :, 0, 1, 1].tolist() == [0, 1, 2, 3]


def test_probes_have_their_perturbations_and_the_noise_of_the_steps() -> None:
    noise = torch.randn(3 + PROBE_STEPS, 1, generator=torch.Generator().manual_seed(0))
    runs = probe(
        lambda u, index: 0.5 * u + noise[index],
        constant_fields(4.0).unsqueeze(2),
        constant_fields(1.0),
        warmup=3,
        bound=100,
    )
    assert runs.perturbed.shape == (1, 1, len(EPSILONS), PROBE_STEPS + 1, 1, 2, 2)
    for number, epsilon in enumerate(EPSILONS):
        gap = (runs.perturbed[:, :, number] - runs.base)[0, 0, :, 0, 0, 0]
        expected = torch.tensor([epsilon * 4 * 0.5**t for t in range(PROBE_STEPS + 1)])
        torch.testing.assert_close(gap, expected, atol=2e-6, rtol=0)
    assert runs.scaled[0, 0, :, 0, 0, 0, 0].tolist() == [scale * 4 for scale in SCALES]
    assert float(runs.base[0, 0, 1, 0, 0, 0]) == pytest.approx(float(2 + noise[3]))


def test_the_unperturbed_probe_equals_the_rollout() -> None:
    def step(u: Tensor, index: int) -> Tensor:
        return torch.sin(u + index)

    frames = roll_out(step, constant_fields(1.0, 2.0), PROBE_STEPS + 3, warmup=2, bound=100).frames
    long, short = (
        probe(step, part, constant_fields(1.0, 1.0), warmup=2, bound=100) for part in (frames, frames[:, :, :4])
    )
    assert torch.equal(long.base, frames[:, :, : PROBE_STEPS + 1])
    assert torch.equal(long.base, short.base)


@pytest.mark.parametrize("bad", [50.0, -float("inf"), float("nan")])
def test_an_initial_state_beyond_the_bound_is_clipped_and_marked(bad: float) -> None:
    fields = constant_fields(1.0, 2.0)
    fields[0, 0, 0, 0, 1] = bad
    rollout = roll_out(lambda u, _: u + 1, fields, 3, warmup=1, bound=10.0)
    assert rollout.blow_up.tolist() == [[1], [0]]
    assert torch.isfinite(rollout.frames).all()
    assert rollout.frames.abs().max() <= 10
    assert torch.equal(rollout.frames[0, 0, 0], rollout.frames[0, 0, 2])
