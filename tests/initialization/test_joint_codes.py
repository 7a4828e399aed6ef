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


def random_tokens(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    columns = [torch.randint(size, (count,), generator=generator) for sizes in SPEC.num_codes for size in sizes]
    return torch.stack(columns, 1).view(count, SPEC.num_categories, 3)


def test_refit_vectors_is_ridge_regression_toward_the_previous_vectors() -> None:
    model, x, tokens = JointVQVAE(JOINT), planted_rows(400), random_tokens(400)
    codes = model.joint
    codes.vectors().copy_(torch.randn(codes.vectors().shape, generator=torch.Generator().manual_seed(1)))
    before = codes.vectors().double().numpy()
    one_hot = np.zeros((400, len(before)))
    np.put_along_axis(one_hot, codes.vector_indices(tokens).numpy(), 1.0, axis=1)
    system = np.concatenate([one_hot, np.sqrt(7.0) * np.eye(len(before))])
    target = np.concatenate([x.double().numpy() - one_hot @ before, np.zeros(before.shape)])
    expected = before + np.linalg.lstsq(system, target, rcond=None)[0]
    refit_vectors(codes, x, tokens, ridge=7.0)
    np.testing.assert_allclose(codes.vectors().numpy(), expected, atol=1e-4)


def test_each_refit_and_each_assignment_lowers_the_error() -> None:
    model, x, tokens = JointVQVAE(JOINT), planted_rows(600), random_tokens(600)
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


def test_the_fit_is_reproducible_and_better_than_the_local_network_on_unseen_rows() -> None:
    rows = planted_rows(2400)
    models = []
    for _ in range(2):
        model = JointVQVAE(JOINT, seed=3)
        fit_joint_codes(model, rows[:2000])
        models.append(model)
    assert torch.equal(models[0].joint.vectors(), models[1].joint.vectors())
    held_out = rows[2000:]
    joint = make_codec(models[0]).decode(make_codec(models[0]).encode(held_out).indices)
    local = models[0](held_out).reconstruction
    assert (held_out - joint).square().mean() < 0.8 * (held_out - local).square().mean()


def test_every_level_lowers_the_error_of_heavy_tailed_rows() -> None:
    """Each number of levels has its own vectors. A part of the vectors of three levels could increase the error."""
    rows = planted_rows(900)
    rows[torch.randperm(900, generator=torch.Generator().manual_seed(0))[:27]] *= 20
    model = JointVQVAE(JOINT, seed=3)
    initialize_closed_form(model, rows[:700], ridge=0.01, rows_per_batch=700, seed=0)
    fit_joint_codes(model, rows[:700])
    held_out = rows[700:]
    tokens = make_codec(model).encode(held_out).indices
    errors = [(held_out - make_codec(model).decode(tokens[..., :levels])).square().sum() for levels in (1, 2, 3)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] < 0.8 * held_out.square().sum()
