"""The table form of a model against the network's own pass."""

from __future__ import annotations

from dataclasses import replace

import torch

from spinlock.model import CategoricalVQVAE
from spinlock.model.joint import JointTables, refine
from spinlock.model.tables import TokenTables
from tests.model.test_vqvae import random_rows, small_model


def test_tokens_are_those_of_the_network_but_for_near_ties() -> None:
    model, rows = small_model(branches=True), random_rows(400)
    tokens = TokenTables(model).encode(rows)
    differing = (tokens.indices != model.encode(rows)).flatten(1).any(1)
    assert not (differing & ~tokens.near_tie).any()
    assert tokens.near_tie.float().mean() < 0.05


def test_every_prefix_decodes_as_in_the_network() -> None:
    model, rows = small_model(branches=True), random_rows(50)
    tokens = model.encode(rows)
    for levels in (1, 2, 3):
        expected = model.decode(tokens[..., :levels])
        torch.testing.assert_close(TokenTables(model).decode(tokens[..., :levels]), expected)


def test_two_equal_codes_are_a_near_tie() -> None:
    model = small_model()
    with torch.no_grad():
        for level in model.quantizer_levels():
            level.codes[:, 1] = level.codes[:, 0]
    tokens = TokenTables(model).encode(random_rows(200))
    chosen = (tokens.indices <= 1).flatten(1).any(1)
    assert chosen.any()
    assert (tokens.near_tie >= chosen).all()


def test_joint_assignment_lowers_the_error_of_the_linear_decoder() -> None:
    generator = torch.Generator().manual_seed(0)
    codebooks = [torch.randn(size, 9, generator=generator) for size in (4, 3, 5, 2, 6, 3)]
    tables = JointTables.of(codebooks, torch.randn(9, generator=generator))
    rows = torch.randn(100, 9, generator=generator)
    start = torch.zeros(100, 6, dtype=torch.int64)

    def error(tokens: torch.Tensor) -> torch.Tensor:
        summed = tables.bias + torch.stack([codes[tokens[:, t]] for t, codes in enumerate(codebooks)]).sum(0)
        return (rows - summed).square().sum(1)

    before, previous = start.clone(), error(start)
    for sweeps in (1, 2, 5):
        after = error(refine(tables, rows, before, sweeps))
        assert (after <= previous + 1e-4).all()
        previous = after
    best = refine(tables, rows, start, 50)
    for t, codes in enumerate(codebooks):
        for code in range(len(codes)):
            other = best.clone()
            other[:, t] = code
            assert (error(other) >= error(best) - 1e-4).all(), "no single token can be bettered"


def test_a_joint_model_reconstructs_no_worse_by_its_linear_decoder() -> None:
    local = small_model()
    joint = CategoricalVQVAE(replace(local.spec, assignment="joint"))
    joint.load_state_dict(local.state_dict())
    rows = random_rows(200)
    errors = [
        (rows - model.decode(TokenTables(model).encode(rows).indices)).square().sum(1) for model in (local, joint)
    ]
    assert (errors[1] <= errors[0] + 1e-4).all()
    assert errors[1].mean() < errors[0].mean()
