"""The fit of joint codes against a dense ridge regression."""

from dataclasses import replace

import numpy as np
import torch

from spinlock.initialization.joint_codes import assign_tokens, fit_joint_codes, refit_vectors
from spinlock.initialization.network import initialize_closed_form
from spinlock.model import JointVQVAE
from spinlock.model.codec import make_codec
from tests.training.specs import planted_rows, planted_spec

SPEC = planted_spec()
JOINT = replace(SPEC, assignment="joint")


def tokens_of(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    columns = [torch.randint(size, (count,), generator=generator) for sizes in SPEC.num_codes for size in sizes]
    return torch.stack(columns, 1).view(count, SPEC.num_categories, 3)


def test_a_refit_is_ridge_regression_toward_what_was_there() -> None:
    model, x, tokens = JointVQVAE(JOINT), planted_rows(400), tokens_of(400)
    codes = model.joint
    codes.vectors().copy_(torch.randn(codes.vectors().shape, generator=torch.Generator().manual_seed(1)))
    before = codes.vectors().double().numpy()
    one_hot = np.zeros((400, len(before)))
    np.put_along_axis(one_hot, codes.vector_indices(tokens).numpy(), 1.0, axis=1)
    system = np.concatenate([one_hot, np.sqrt(7.0) * np.eye(len(before))])
    wanted = np.concatenate([x.double().numpy() - one_hot @ before, np.zeros(before.shape)])
    expected = before + np.linalg.lstsq(system, wanted, rcond=None)[0]
    refit_vectors(codes, x, tokens, ridge=7.0)
    np.testing.assert_allclose(codes.vectors().numpy(), expected, atol=1e-4)


def test_each_half_round_lowers_the_error() -> None:
    model, x, tokens = JointVQVAE(JOINT), planted_rows(600), tokens_of(600)
    codes = model.joint

    def error() -> float:
        return float((x - codes.sums(tokens)).square().mean())

    reached = [error()]
    for _ in range(3):
        refit_vectors(codes, x, tokens, ridge=1.0)
        reached.append(error())
        tokens = assign_tokens(codes, x, tokens)
        reached.append(error())
    assert reached == sorted(reached, reverse=True)
    assert reached[-1] < 0.6 * reached[0]


def test_the_fit_repeats_and_beats_the_network_on_rows_not_seen() -> None:
    rows = planted_rows(2400)
    made = []
    for _ in range(2):
        model = JointVQVAE(JOINT, seed=3)
        fit_joint_codes(model, rows[:2000])
        made.append(model)
    assert torch.equal(made[0].joint.vectors(), made[1].joint.vectors())
    held_out = rows[2000:]
    joint = make_codec(made[0]).decode(make_codec(made[0]).encode(held_out).indices)
    local = made[0](held_out).reconstruction
    assert (held_out - joint).square().mean() < 0.8 * (held_out - local).square().mean()


def test_a_prefix_of_heavy_tailed_rows_still_adds_to_the_quality() -> None:
    """Vectors of whole triples presume the finer levels: cut off, their sums may be worse than nothing."""
    rows = planted_rows(900)
    rows[torch.randperm(900, generator=torch.Generator().manual_seed(0))[:27]] *= 20
    model = JointVQVAE(JOINT, seed=3)
    initialize_closed_form(model, rows[:700], ridge=0.01, rows_per_batch=700, seed=0)
    fit_joint_codes(model, rows[:700])
    held_out = rows[700:]
    tokens = make_codec(model).encode(held_out).indices
    left = [(held_out - make_codec(model).decode(tokens[..., :levels])).square().sum() for levels in (1, 2, 3)]
    assert left == sorted(left, reverse=True)
    assert left[0] < 0.8 * held_out.square().sum()
